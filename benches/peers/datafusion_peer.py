"""DataFusion: a table per event name, sorted by time, in memory and as Parquet; text as dictionaries.

Its Python package reads no JSON out of text, so Polars types and sorts the tables and hands them over as Arrow; that is
part of the load time here. Each question is tried on both forms where they differ; the quicker is timed.
"""

import datafusion
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionConfig, SessionContext

import common
from common import ASKED, ago
from polars_peer import Tables
from sql import SqlPeer

BATCH_ROWS = 65_536
GROUP_ROWS = 262_144


class DataFusion(SqlPeer):
    name = "DataFusion"
    version = datafusion.__version__
    form = "a table per event name by time, in memory as Arrow and as Parquet with filters pushed down, text as dictionaries"
    divides = True
    prefix = "mem_"

    def __init__(self, options):
        self.options = options
        config = SessionConfig().with_target_partitions(options.threads)
        for key in ("pushdown_filters", "reorder_filters"):
            config = config.set(f"datafusion.execution.parquet.{key}", "true")
        self.context = SessionContext(config)

    def load(self):
        tables = Tables(self.options.tables)
        tables.by_user.clear()
        self.register("us", tables.us, in_memory_only=True)
        self.register("any_event", tables.any)
        tables.any = None
        for name in list(tables.events):
            # Rows of one event in order of time and then id: a later row is a later event.
            self.register(name, tables.events.pop(name).with_row_index("row"))
        self.ids = tables.ids
        return self.ids

    def register(self, name, frame, in_memory_only=False):
        table = pa.table({column.name: arrow(column) for column in frame})
        batches = table.to_batches(max_chunksize=BATCH_ROWS)
        share = -(-len(batches) // self.options.threads)
        partitions = [batches[start:start + share] for start in range(0, len(batches), share)]
        self.context.register_record_batches(name if in_memory_only else f"mem_{name}", partitions)
        if not in_memory_only:
            path = self.options.work / f"{name}.parquet"
            pq.write_table(table, path, compression="lz4", row_group_size=GROUP_ROWS, write_page_index=True)
            self.context.register_parquet(f"file_{name}", str(path))

    def rows(self, events, *tests):
        where = " AND ".join(tests or ["true"])
        names = ["any_event"] if events is None else [events] if isinstance(events, str) else events
        if len(names) == 1:
            return f"FROM {self.prefix}{names[0]} WHERE {where}"
        return "FROM (" + " UNION ALL ".join(f"SELECT uid FROM {self.prefix}{name} WHERE {where}" for name in names) + ") e"

    def query(self, sql):
        rows = []
        for batch in self.context.sql(sql).collect():
            rows += zip(*(column.to_pylist() for column in batch.columns))
        return rows

    def numbers(self, sql):
        return sorted(number for (number,) in self.query(f"SELECT uid FROM ({sql}) t"))

    def q11(self, days, least):
        day = f"(ts - {ago(days)}) / 86400000"
        return f"""SELECT uid FROM (SELECT uid, {day} AS day {self.rows(None, f'ts >= {ago(days)}')} GROUP BY uid, {day}) t
            GROUP BY uid HAVING count(*) >= {least}"""

    def q22(self):
        return f"""SELECT uid FROM (SELECT uid, last_value(source ORDER BY ts, row) AS source {self.rows('page_viewed')}
            GROUP BY uid) t WHERE source = 'email'"""

    def q22_join(self):
        latest = f"SELECT uid, max(row) AS row {self.rows('page_viewed')} GROUP BY uid"
        emailed = f"SELECT row {self.rows('page_viewed', 'source = ' + repr('email'))}"
        return f"SELECT uid FROM ({latest}) t WHERE row IN ({emailed})"

    def others(self):
        more = {"q22": [("max(row)", self.q22_join())]}
        self.prefix = "file_"
        for number in range(2, 25):
            if number not in (17, 18, 19, 20, 23):
                question = f"q{number:02}"
                more[question] = more.get(question, []) + [("Parquet", self.segment(question))]
        more["q22"].append(("Parquet, max(row)", self.q22_join()))
        self.prefix = "mem_"
        return more


def arrow(column):
    """A column of Polars as an array of Arrow, enums as dictionaries of plain text."""
    if column.dtype != pl.Enum:
        return column.to_arrow()
    # Wide keys: grouping joins the dictionaries of batches, which overflows narrow ones.
    keys = column.to_physical().cast(pl.Int32).to_arrow()
    return pa.DictionaryArray.from_arrays(keys, pa.array(column.dtype.categories.to_list(), pa.string()))


if __name__ == "__main__":
    common.main(DataFusion)
