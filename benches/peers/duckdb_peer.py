"""DuckDB: one typed table of events in a database file, sorted by event name and time, text as enums."""

import duckdb

import common
from common import ATTRIBUTES, DAY, INTEGERS, MONEY, TEXTS
from sql import FIRST, SqlPeer


class DuckDb(SqlPeer):
    name = "DuckDB"
    version = duckdb.__version__
    form = "one native table in a file, sorted by event name and time, text as enums, ids and cents as integers"

    def __init__(self, options):
        self.options = options
        self.connection = duckdb.connect(str(options.work / "peer.duckdb"))
        for setting in (f"threads = {options.threads}", f"memory_limit = '{options.memory}GB'", "TimeZone = 'UTC'"):
            self.connection.execute(f"SET {setting}")

    def load(self):
        execute, tables = self.connection.execute, self.options.tables
        properties = ", ".join(
            f"arg_max(property_value, (updated_at, property_id)) FILTER (WHERE property_name = '{name}') AS {name}"
            for name in ATTRIBUTES)
        execute(f"""CREATE TABLE us AS SELECT (row_number() OVER (ORDER BY user_id) - 1) :: UINTEGER AS uid, user_id,
            epoch_ms(created_at) AS created_at, account_type, p.* EXCLUDE (user_id)
            FROM '{tables}/users.parquet' LEFT JOIN (SELECT user_id, {properties}
            FROM '{tables}/user_properties.parquet' GROUP BY user_id) p USING (user_id) ORDER BY uid""")
        # What the generator writes is flat, so that a list of paths reads each object once.
        paths = TEXTS + MONEY + INTEGERS
        columns = [f"x[{place + 1}] AS {path}" for place, path in enumerate(TEXTS)]
        columns += [f"(x[{paths.index(path) + 1}] :: DECIMAL(12, 2) * 100) :: INTEGER AS {path}" for path in MONEY]
        columns += [f"x[{paths.index(path) + 1}] :: INTEGER AS {path}" for path in INTEGERS]
        # In a file of its own, which is thrown away: the enums' values are known after a first pass only.
        staging = self.options.work / "staging.duckdb"
        execute(f"ATTACH '{staging}' AS staging")
        execute(f"""CREATE TABLE staging.raw AS SELECT uid, event_name AS name, epoch_ms("timestamp") AS ts, event_id,
            {', '.join(columns)} FROM (SELECT uid, event_name, "timestamp", event_id,
            json_extract_string(properties, [{', '.join(f"'$.{path}'" for path in paths)}]) AS x
            FROM '{tables}/events/*.parquet' JOIN us USING (user_id))""")
        casts = []
        for column in ["name", *TEXTS]:
            execute(f"CREATE TYPE {column}_values AS ENUM (SELECT DISTINCT {column} FROM staging.raw WHERE {column} IS NOT NULL ORDER BY 1)")
            casts.append(f"CAST({column} AS {column}_values) AS {column}")
        # Rows of one event in the order of time and then id: a later row is a later event.
        execute(f"CREATE TABLE ev AS SELECT * EXCLUDE (event_id) REPLACE ({', '.join(casts)}) FROM staging.raw ORDER BY name, ts, event_id")
        execute("DETACH staging")
        staging.unlink()
        for column in ["account_type", *ATTRIBUTES]:
            execute(f"CREATE TYPE {column}_values AS ENUM (SELECT DISTINCT {column} FROM us WHERE {column} IS NOT NULL ORDER BY 1)")
            execute(f"ALTER TABLE us ALTER {column} TYPE {column}_values")
        execute("CHECKPOINT")
        self.ids = [user.encode() for (user,) in execute("SELECT user_id FROM us ORDER BY uid").fetchall()]
        return self.ids

    def rows(self, events, *tests):
        names = [] if events is None else [events] if isinstance(events, str) else events
        named = [f"name = '{names[0]}'"] if len(names) == 1 else [f"name IN ({', '.join(map(repr, names))})"] if names else []
        return "FROM ev WHERE " + " AND ".join([*named, *tests] or ["true"])

    def query(self, sql):
        return self.connection.execute(sql).fetchall()

    def numbers(self, sql):
        return sorted(self.connection.execute(f"SELECT uid FROM ({sql}) t").fetchnumpy()["uid"].tolist())

    def url_starts(self, prefix):
        return f"starts_with(url :: VARCHAR, '{prefix}')"

    def q15_values(self):
        pages = self.rows("page_viewed", "url IN (SELECT url FROM urls WHERE starts_with(url :: VARCHAR, '/docs/'))", f"ts >= {common.ago(30)}")
        return f"SELECT uid {pages} GROUP BY uid HAVING count(*) >= 10"

    def q09_asof(self):
        """Per second step the latest first one before it, per third the second; only the ends are bound."""
        steps = [f"(SELECT uid, ts {self.rows(event, f'ts >= {FIRST}')})" for event in
                 ("product_viewed", "item_added_to_cart", "purchase")]
        return f"""WITH ab AS (SELECT b.uid, b.ts, a.ts AS first FROM {steps[1]} b ASOF JOIN {steps[0]} a
                ON a.uid = b.uid AND a.ts <= b.ts)
            SELECT DISTINCT c.uid FROM {steps[2]} c ASOF JOIN ab ON ab.uid = c.uid AND ab.ts <= c.ts
            WHERE c.ts - ab.first <= {7 * DAY}"""

    def q22(self):
        return f"""SELECT uid FROM (SELECT uid, arg_max(source, rowid) AS source {self.rows('page_viewed')}
            GROUP BY uid) t WHERE source = 'email'"""

    def q22_join(self):
        return f"""SELECT uid FROM ev WHERE rowid IN (SELECT max(rowid) {self.rows('page_viewed')} GROUP BY uid)
            AND name = 'page_viewed' AND source = 'email'"""

    def others(self):
        self.connection.execute("CREATE OR REPLACE TABLE urls AS SELECT DISTINCT url FROM ev WHERE url IS NOT NULL")
        return {
            "q09": [("ASOF joins", self.q09_asof())],
            "q15": [("values first", self.q15_values())],
            "q22": [("max(rowid)", self.q22_join())],
        }


if __name__ == "__main__":
    common.main(DuckDb)
