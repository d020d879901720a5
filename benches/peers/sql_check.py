"""Holds other engines to the SQL that `crowdset sql` writes.

    cargo run -p crowdset-testkit --example sql_worlds -- 200 > worlds.ndjson
    python3 benches/peers/sql_check.py worlds.ndjson [--clickhouse N] [--spark N]

Every statement runs over the random tables of its world in DuckDB and DataFusion, those of the first
N worlds also in ClickHouse and in Spark, which are slower, and must select the users that the
reference evaluator selects. The first case that differs is printed whole, and the exit status is 1.

Needs duckdb, datafusion, sqlglot and pyarrow; with chdb ClickHouse answers, too, and with pyspark and
Java Spark does. Without, statements of a few lines are parsed.
"""

import argparse
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import datafusion
import duckdb
import pyarrow as pa
import sqlglot

try:
    import chdb.session
except ImportError:
    chdb = None
try:
    from pyspark.sql import SparkSession
except ImportError:
    SparkSession = None

# What a statement says when it stops because the data would make its answer inexact.
INEXACT = "no exact"
# Fewer statements than this share would mean that hardly anything was held to anything.
LEAST = {"duckdb": 0.9, "datafusion": 0.9, "clickhouse": 0.9, "spark": 0.9}
# The parser that stands in for an engine that is not there takes very long for long statements.
LONGEST = 2500
# How docs/SQL.md tells to make the table that DataFusion reads event properties from.
DOCS = (Path(__file__).parent / "../../docs/SQL.md").read_text(encoding="utf-8")
EVENT_PROPERTIES = re.search(r"```sql\n(CREATE TABLE event_properties AS.*?)```", DOCS, re.DOTALL).group(1)


def ids(values, are_integers):
    return pa.array([int(v) for v in values], pa.int64()) if are_integers else pa.array(values, pa.string())


TYPES = {
    "bool": (pa.bool_(), bool),
    "integer": (pa.int64(), int),
    "float": (pa.float64(), float),
    "text": (pa.string(), str),
    "time": (pa.timestamp("ms"), int),
}


def tables(world):
    columns = {"user_id": ids(world["users"]["ids"], world["integer_user_ids"])}
    for name, cells in world["users"]["columns"].items():
        kind = next(k for cell in cells if cell for k in cell) if any(cells) else "text"
        to, read = TYPES[kind]
        columns[name] = pa.array([read(cell[kind]) if cell else None for cell in cells], to)
    users = pa.table(columns)

    def column(rows, at, to):
        return pa.array([row[at] for row in rows], to)

    rows = world["events"]
    events = pa.table(
        {
            "event_id": ids([row[0] for row in rows], world["integer_event_ids"]),
            "user_id": ids([row[1] for row in rows], world["integer_user_ids"]),
            "event_name": column(rows, 2, pa.string()),
            "timestamp": column(rows, 3, pa.timestamp("ms")),
            "properties": column(rows, 4, pa.string()),
        }
    )
    rows = world["user_properties"]
    properties = {
        "property_id": ids([row[0] for row in rows], world["integer_property_ids"]),
        "user_id": ids([row[1] for row in rows], world["integer_user_ids"]),
        "property_name": column(rows, 2, pa.string()),
        "property_value": column(rows, 3, pa.string()),
    }
    if world["history"]:
        properties["updated_at"] = column(rows, 4, pa.timestamp("ms"))
    connection = duckdb.connect()
    connection.register("events", events)
    connection.execute(EVENT_PROPERTIES)
    event_properties = connection.sql("SELECT * FROM event_properties").to_arrow_table()
    return {
        "users": users,
        "events": events,
        "user_properties": pa.table(properties),
        "event_properties": event_properties,
    }


class DuckDb:
    def __init__(self, tables):
        self.connection = duckdb.connect()
        for name, table in tables.items():
            self.connection.register("arrow_" + name, table)
            self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM arrow_{name}")

    def ask(self, text):
        return [str(row[0]) for row in self.connection.execute(text).fetchall()]


class DataFusion:
    def __init__(self, tables):
        self.context = datafusion.SessionContext()
        for name, table in tables.items():
            self.context.register_record_batches(name, [table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]])

    def ask(self, text):
        found = self.context.sql(text).to_pydict()
        return [str(user) for user in found.get("user_id", [])]


CLICKHOUSE_TYPES = {
    pa.string(): "String",
    pa.int64(): "Int64",
    pa.float64(): "Float64",
    pa.bool_(): "Bool",
    pa.timestamp("ms"): "DateTime64(3, 'UTC')",
}


class ClickHouse:
    session = None

    def __init__(self, tables):
        if ClickHouse.session is None:
            ClickHouse.session = chdb.session.Session()
            self.session.query("CREATE DATABASE IF NOT EXISTS checked ENGINE = Atomic")
            self.session.query("USE checked")
        for name, table in tables.items():
            if name == "event_properties":
                continue
            keys = {table.schema.names[0], "user_id", "event_name", "timestamp", "property_name"}
            columns = []
            for field in table.schema:
                kind = CLICKHOUSE_TYPES[field.type]
                columns.append(f"`{field.name}` {kind if field.name in keys else f'Nullable({kind})'}")
            self.session.query(f"DROP TABLE IF EXISTS {name}")
            self.session.query(f"CREATE TABLE {name} ({', '.join(columns)}) ENGINE = Memory")
            values = ",".join(
                "(" + ",".join(self.literal(field, cell) for field, cell in zip(table.schema, row)) + ")"
                for row in zip(*[column.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(column.type) else column.to_pylist() for column in table.columns])
            )
            if values:
                self.session.query(f"INSERT INTO {name} VALUES {values}")

    @staticmethod
    def literal(field, cell):
        if cell is None:
            return "NULL"
        if pa.types.is_timestamp(field.type):
            return f"fromUnixTimestamp64Milli(toInt64({cell}), 'UTC')"
        if isinstance(cell, str):
            return "'" + cell.replace("\\", "\\\\").replace("'", "\\'") + "'"
        if cell != cell:
            return "nan"
        return repr(cell)

    def ask(self, text):
        found = str(self.session.query(text, "JSONCompactEachRow"))
        return [str(json.loads(line)[0]) for line in found.splitlines() if line]


class Spark:
    session = None

    def __init__(self, tables):
        if Spark.session is None:
            build = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
            build = build.config("spark.ui.showConsoleProgress", "false")
            build = build.config("spark.sql.shuffle.partitions", "1").config("spark.sql.session.timeZone", "Asia/Kolkata")
            Spark.session = build.getOrCreate()
            self.session.sparkContext.setLogLevel("OFF")
        for name, table in tables.items():
            fields = [pa.field(f.name, pa.timestamp("us", "UTC") if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]
            rows = table.cast(pa.schema(fields))
            self.session.createDataFrame(rows).createOrReplaceTempView(name)

    def ask(self, text):
        return [str(row[0]) for row in self.session.sql(text).collect()]


def main(path, worlds):
    engines = {"duckdb": DuckDb, "datafusion": DataFusion}
    if chdb:
        engines["clickhouse"] = ClickHouse
    if SparkSession and shutil.which("java"):
        engines["spark"] = Spark
    cases, said, agreed, stopped, broken, refused = 0, *(Counter() for _ in range(5))
    wrong = []
    for number, line in enumerate(open(path, encoding="utf-8")):
        world = json.loads(line)
        data = tables(world)
        running = {}
        for case in world["cases"]:
            cases += 1
            for dialect, text in case["refused"].items():
                refused[re.sub(r"^[0-9:]* *", "", text.splitlines()[0])] += 1
            for dialect, text in case["sql"].items():
                said[dialect] += 1
                if dialect not in engines and len(text) < LONGEST:
                    sqlglot.parse_one(text, dialect=dialect)
                if dialect not in engines or number >= worlds.get(dialect, number + 1):
                    continue
                try:
                    if dialect not in running:
                        running[dialect] = engines[dialect](data)
                    found = running[dialect].ask(text)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # whatever an engine throws is a finding
                    # An engine that breaks off in its own middle has said nothing about the statement.
                    if type(error).__name__ == "PanicException":
                        broken[dialect] += 1
                        continue
                    if INEXACT in str(error):
                        stopped[dialect] += 1
                        continue
                    found = f"{type(error).__name__}: {error}"
                if found == case["expected"]:
                    agreed[dialect] += 1
                else:
                    wrong.append((world, case, dialect, found))
        if len(wrong) >= 40:
            break
    for dialect in LEAST:
        print(f"{dialect}: {said[dialect]} of {cases} said, {agreed[dialect]} answered alike, {stopped[dialect]} stopped as inexact, {broken[dialect]} broke the engine")
    for what, times in refused.most_common(40):
        print(f"refused {times} times: {what}")
    if wrong:
        for world, case, dialect, found in wrong[1:]:
            print(f"also: {dialect}, seed {world['seed']}: {case['segment']}\n  {str(found)[:200]}")
        world, case, dialect, found = wrong[0]
        print(f"\n{dialect} differs in the world of seed {world['seed']}: {case['segment']}")
        print(f"expected {case['expected']}\nfound    {found}\n{case['sql'][dialect]}")
        print(json.dumps({k: world[k] for k in ("users", "events", "user_properties")})[:6000])
        return 1
    for dialect, least in LEAST.items():
        if broken[dialect] > 0.005 * said[dialect]:
            print(f"{dialect} broke too often to be held to anything")
            return 1
        if said[dialect] < least * cases:
            print(f"{dialect} says too little to be held to anything: {said[dialect]} of {cases}")
            return 1
    return 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("worlds", help="what the example sql_worlds has written")
    arguments.add_argument("--clickhouse", type=int, default=20, metavar="N", help="worlds that ClickHouse is asked about")
    arguments.add_argument("--spark", type=int, default=1, metavar="N", help="worlds that Spark is asked about")
    given = arguments.parse_args()
    sys.exit(main(given.worlds, {"clickhouse": given.clickhouse, "spark": given.spark}))
