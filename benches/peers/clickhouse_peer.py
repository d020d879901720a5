"""ClickHouse, embedded as chdb: MergeTree tables, text as LowCardinality, funnels by windowFunnel.

Events are kept twice, as a careful user would with a projection: by (name, time) for windows, by (name, user, time)
for what is asked about all time; and once more without names by time. Whichever answers a question sooner is timed.
"""

import json

import chdb
import numpy as np
from chdb.session import Session

import common
from common import ATTRIBUTES, DAY, INTEGERS, MONEY, TEXTS, ago
from sql import FIRST, SqlPeer


class ClickHouse(SqlPeer):
    name = "ClickHouse (chdb)"
    version = f"{chdb.__version__}, engine {chdb.engine_version}"
    form = "MergeTree by (event name, time, user), again by (event name, user, time) and by time alone, text as LowCardinality"
    day_bits = "groupBitOr(bitShiftLeft(toUInt64(1), intDiv(ts - {start}, 86400000)))"
    bit_count = "bitCount({bits})"
    table = "ev"

    def __init__(self, options):
        self.options = options
        self.session = Session(str(options.work / "clickhouse"))
        self.settings = f" SETTINGS max_threads = {options.threads}, max_memory_usage = {options.memory}000000000"

    def execute(self, sql):
        self.session.query(sql + self.settings)

    def load(self):
        tables = self.options.tables.resolve()
        properties = ", ".join(
            f"argMaxIf(property_value, (updated_at, property_id), property_name = '{name}') :: LowCardinality(String) AS {name}"
            for name in ATTRIBUTES)
        self.session.query("CREATE DATABASE IF NOT EXISTS peer ENGINE = Atomic")
        self.session.query("USE peer")
        self.execute(f"""CREATE TABLE us ENGINE = MergeTree ORDER BY uid AS
            SELECT toUInt32(row_number() OVER (ORDER BY user_id) - 1) AS uid, assumeNotNull(user_id) AS user_id,
                toUInt64(assumeNotNull(toUnixTimestamp64Milli(created_at))) AS created_at,
                toLowCardinality(assumeNotNull(account_type)) AS account_type, {', '.join(f'p.{name} AS {name}' for name in ATTRIBUTES)}
            FROM file('{tables}/users.parquet') u LEFT JOIN (SELECT user_id, {properties}
            FROM file('{tables}/user_properties.parquet') GROUP BY user_id) p ON p.user_id = u.user_id""")
        # What the generator writes is flat and without escapes, so that the simple readers do.
        columns = [f"simpleJSONExtractString(json, '{name}') AS {name}" for name in TEXTS]
        columns += [f"toUInt32(simpleJSONExtractUInt(json, '{name}')) AS {name}" for name in INTEGERS]
        columns += [f"toUInt32(round(simpleJSONExtractFloat(json, '{name}') * 100)) AS {name}" for name in MONEY]
        # Ids of one millisecond are ordered by the digits behind their time.
        tie = "reinterpretAsUInt64(reverse(unhex(concat(substring(event_id, 15, 4), substring(event_id, 20, 4), substring(event_id, 25, 8)))))"
        stored = ", ".join([f"{name} LowCardinality(String)" for name in TEXTS] + [f"{name} UInt32" for name in INTEGERS + MONEY])
        shape = f"name LowCardinality(String), uid UInt32, ts UInt64, tie UInt64, {stored}"
        for table, order in (("ev", "name, ts, uid"), ("by_user", "name, uid, ts")):
            self.session.query(f"CREATE TABLE {table} ({shape}) ENGINE = MergeTree ORDER BY ({order})")
        self.session.query("CREATE TABLE any_event (uid UInt32, ts UInt64) ENGINE = MergeTree ORDER BY ts")
        self.execute(f"""INSERT INTO ev (name, uid, ts, tie, {', '.join(TEXTS + INTEGERS + MONEY)})
            SELECT event_name, uid, toUnixTimestamp64Milli(timestamp), {tie}, {', '.join(columns)}
            FROM (SELECT event_name, u.uid AS uid, timestamp, event_id, assumeNotNull(properties) AS json
            FROM file('{tables}/events/*.parquet') e INNER JOIN us u ON u.user_id = e.user_id)""")
        self.execute("INSERT INTO by_user SELECT * FROM ev")
        self.execute("INSERT INTO any_event SELECT uid, ts FROM ev")
        for table in ("ev", "by_user", "any_event", "us"):
            self.session.query(f"OPTIMIZE TABLE {table} FINAL")
        text = self.session.query("SELECT user_id FROM us ORDER BY uid", "LineAsString").bytes()
        self.ids = text.split()
        return self.ids

    def rows(self, events, *tests):
        if events is None:
            return "FROM any_event WHERE " + " AND ".join(tests)
        names = [events] if isinstance(events, str) else events
        return f"FROM {self.table} WHERE " + " AND ".join([f"name IN ({', '.join(map(repr, names))})", *tests])

    def query(self, sql):
        text = self.session.query(sql + self.settings, "JSONCompactEachRow").bytes()
        return [tuple(int(v) if isinstance(v, str) and v.isdigit() else v for v in json.loads(line)) for line in text.splitlines()]

    def numbers(self, sql):
        packed = self.session.query(f"SELECT toUInt32(uid) FROM ({sql}) t" + self.settings, "RowBinary").bytes()
        return np.sort(np.frombuffer(packed, dtype="<u4"))

    def url_starts(self, prefix):
        return f"startsWith(url, '{prefix}')"

    def q05(self, webinar):
        """A user who never signed in has the join's default, 0."""
        attended = f"SELECT uid, max(ts) AS latest {self.rows('webinar_attended', self.is_webinar(webinar))} GROUP BY uid"
        users = f"SELECT uid {self.rows('webinar_attended', self.is_webinar(webinar))}"
        signed = f"SELECT uid, max(ts) AS signed {self.rows('signed_in', f'uid IN ({users})')} GROUP BY uid"
        return f"SELECT uid FROM ({attended}) w LEFT JOIN ({signed}) s USING (uid) WHERE signed <= latest"

    def q11_distinct(self, days, least):
        day = f"uniqExact(intDiv(ts - {ago(days)}, 86400000))"
        return f"SELECT uid {self.rows(None, f'ts >= {ago(days)}')} GROUP BY uid HAVING {day} >= {least}"

    def funnel(self):
        names = ("product_viewed", "item_added_to_cart", "purchase")
        steps = ", ".join(f"name = '{name}'" for name in names)
        return f"""SELECT uid {self.rows(list(names), f'ts >= {FIRST}')} GROUP BY uid
            HAVING windowFunnel({7 * DAY})(ts, {steps}) = 3"""

    def q09(self):
        return self.funnel()

    def q19(self):
        pages = self.rows("page_viewed", "url = '/pricing'", f"ts >= {ago(37)}")
        often = f"""SELECT day, uid FROM (SELECT uid, toInt64(intDiv({common.NOW} - ts - 1, 86400000)) - k AS day {pages.replace('WHERE', 'ARRAY JOIN range(7) AS k WHERE')})
            WHERE day BETWEEN 0 AND 29 GROUP BY day, uid HAVING count(*) >= 3"""
        trials = f"SELECT uid, min(ts) AS first {self.rows('trial_started')} GROUP BY uid"
        return f"""SELECT day, count(*) AS n FROM ({often}) o LEFT JOIN ({trials}) f USING (uid)
            WHERE first = 0 OR first >= {common.NOW} - day * {DAY} GROUP BY day"""

    def q21(self):
        return f"SELECT uid {self.rows('product_viewed', f'ts >= {ago(14)}')} GROUP BY uid HAVING uniqExact(product_id) >= 3"

    def q22(self):
        return f"SELECT uid {self.rows('page_viewed')} GROUP BY uid HAVING argMax(source, (ts, tie)) = 'email'"

    def others(self):
        more = {}
        self.table = "by_user"
        for question in ("q04", "q05", "q06", "q08", "q09", "q10", "q22"):
            more[question] = [("by user", self.segment(question))]
        # In the order of the key rows are read backwards; the first of each user is the latest.
        more["q22"].append(("LIMIT BY", f"""SELECT uid FROM (SELECT uid, source {self.rows('page_viewed')}
            ORDER BY name DESC, uid DESC, ts DESC, tie DESC LIMIT 1 BY uid) WHERE source = 'email'"""))
        self.table = "ev"
        return more

    def q23(self, uid):
        self.table = "by_user"
        sql = super().q23(uid)
        self.table = "ev"
        return sql


if __name__ == "__main__":
    common.main(ClickHouse)
