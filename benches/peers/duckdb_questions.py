#!/usr/bin/env python3
"""Asks DuckDB the questions of the workload, on the same tables, and compares the answers.

    pip install duckdb
    cargo run --release -p crowdset-benches --bin measure -- TABLES STORE --json crowdset.json
    python3 benches/peers/duckdb_questions.py TABLES --threads 2 --crowdset crowdset.json

DuckDB gets what a careful user would give it: JSON properties as typed columns, repeated text as
enums, user ids as integers, rows sorted by event name and time. Making that table is the load; it is
not part of a question's time. Answers are compared before times are printed.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import duckdb

NOW = "TIMESTAMP '2026-10-01'"


def ago(days):
    return f"{NOW} - INTERVAL {days} DAY"


def last(days):
    return f"ts >= {ago(days)}"


def did(name, test="true"):
    return f"SELECT DISTINCT uid FROM ev WHERE name = '{name}' AND {test}"


Q02 = f"""SELECT uid FROM us JOIN (SELECT uid FROM ev WHERE name = 'report_generated' AND {last(30)}
          GROUP BY uid HAVING count(*) > 5) USING (uid) WHERE account_type = 'free'"""
TEN = ", ".join(f"'feature_{n:02}_used'" for n in range(1, 11))

# Each query returns the set of users; count(*) over it is timed.
QUESTIONS = {
    "q01": "SELECT uid FROM us WHERE account_type = 'free'",
    "q02": Q02,
    "q03": f"""SELECT uid FROM ev WHERE name = 'page_viewed' AND url = '/pricing' AND {last(7)} GROUP BY uid
        HAVING count(*) >= 3 EXCEPT {did('trial_started')}""",
    "q04": f"""{did('purchase', "product_id = 'p0001'")} EXCEPT {did('product_viewed', "product_id = 'p0002'")}""",
    "q05": """SELECT w.uid FROM (SELECT uid, max(ts) AS latest FROM ev WHERE name = 'webinar_attended'
        AND webinar_id = 'w07' GROUP BY uid) w LEFT JOIN (SELECT uid, max(ts) AS latest FROM ev
        WHERE name = 'signed_in' GROUP BY uid) s ON s.uid = w.uid AND s.latest > w.latest WHERE s.uid IS NULL""",
    "q06": f"""SELECT uid FROM us JOIN ({did('webinar_attended', "webinar_id = 'w03'")}) USING (uid)
        WHERE industry = 'SaaS' AND company_size = '51-200'""",
    "q07": f"""SELECT uid FROM (SELECT uid, count(*) AS n FROM ev WHERE {last(30)} GROUP BY uid) JOIN us USING (uid)
        ORDER BY n DESC, user_id LIMIT 1000""",
    "q08": f"SELECT uid FROM ev WHERE name = 'purchase' AND {last(90)} GROUP BY uid HAVING sum(amount) >= 500",
    # Per first step the earliest second, per second the earliest third: enough, since only the ends are bound.
    "q09": f"""WITH a AS (SELECT uid, ts FROM ev WHERE name = 'product_viewed' AND {last(30)}),
        b AS (SELECT uid, ts FROM ev WHERE name = 'item_added_to_cart' AND {last(30)}),
        c AS (SELECT uid, ts FROM ev WHERE name = 'purchase' AND {last(30)}),
        ab AS (SELECT a.uid, max(a.ts) AS first, b.ts FROM b ASOF JOIN a ON a.uid = b.uid AND a.ts <= b.ts
               GROUP BY ALL)
        SELECT DISTINCT c.uid FROM c ASOF JOIN ab ON ab.uid = c.uid AND ab.ts <= c.ts
        WHERE c.ts <= ab.first + INTERVAL 7 DAY""",
    "q10": f"SELECT uid FROM ev WHERE name = 'signed_in' GROUP BY uid HAVING min(ts) >= {ago(14)}",
    "q11": f"""SELECT uid FROM ev WHERE {last(14)} GROUP BY uid
        HAVING count(DISTINCT CAST(ts AS DATE)) >= 5""",
    "q12": f"""SELECT uid FROM ev WHERE name = 'feature_03_used' AND {last(60)} GROUP BY uid
        HAVING max(ts) < {ago(30)}""",
    "q13": f"""SELECT uid FROM us WHERE country IN ('US', 'GB', 'DE', 'FR', 'NL') AND uid IN (SELECT uid FROM ev
        WHERE name IN ({TEN}) AND source IN ('email', 'ads', 'partner', 'app') AND {last(3)})""",
    "q14": f"""SELECT uid FROM ev WHERE name = 'purchase' AND amount > 100 AND {last(60)} GROUP BY uid
        HAVING count(*) >= 2""",
    "q15": f"""SELECT uid FROM ev WHERE name = 'page_viewed' AND starts_with(CAST(url AS VARCHAR), '/docs/')
        AND {last(30)} GROUP BY uid HAVING count(*) >= 10""",
    "q16": f"""WITH f AS (SELECT uid,
          count(*) FILTER (WHERE name = 'page_viewed' AND {last(30)}) AS pages,
          count(*) FILTER (WHERE name = 'product_viewed' AND {last(30)}) AS products,
          count(*) FILTER (WHERE name = 'report_generated' AND report_type = 'revenue' AND {last(14)}) AS revenue,
          count(*) FILTER (WHERE name = 'trial_started' AND {last(60)}) AS trials,
          coalesce(sum(amount) FILTER (WHERE name = 'purchase' AND {last(90)}), 0) AS spent,
          count(*) FILTER (WHERE {last(7)}) AS week,
          count(*) FILTER (WHERE name = 'webinar_attended' AND {last(60)}) AS webinars,
          count(*) FILTER (WHERE name = 'feature_05_used' AND {last(14)}) AS five,
          count(*) FILTER (WHERE name = 'signed_in' AND {last(14)}) AS signed_in,
          count(*) FILTER (WHERE name = 'page_viewed' AND source = 'email' AND {last(30)}) AS emailed,
          count(*) FILTER (WHERE name = 'purchase' AND amount > 100) AS large,
          count(*) FILTER (WHERE name = 'item_added_to_cart' AND price >= 50 AND {last(30)}) AS carts,
          count(*) FILTER (WHERE name = 'feature_07_used' AND value > 50 AND {last(30)}) AS seven
        FROM ev GROUP BY uid)
        SELECT us.uid FROM us LEFT JOIN f USING (uid) WHERE
          (account_type IN ('free', 'trial') AND (coalesce(pages, 0) >= 5 OR coalesce(products, 0) >= 3 OR coalesce(revenue, 0) > 0)
           AND NOT (coalesce(trials, 0) > 0 AND coalesce(spent, 0) < 50) AND coalesce(week, 0) >= 1)
          OR (industry IN ('SaaS', 'Finance', 'Retail') AND company_size IN ('11-50', '51-200')
           AND (coalesce(webinars, 0) > 0 OR coalesce(five, 0) > 0 OR (country = 'DE' AND language = 'de')))
          OR (lifecycle_stage = 'at_risk' AND created_at < {ago(60)}
           AND NOT (coalesce(signed_in, 0) > 0 OR coalesce(emailed, 0) > 0)
           AND (coalesce(large, 0) >= 1 OR coalesce(carts, 0) > 0 OR coalesce(seven, 0) > 0))""",
    "q21": f"""SELECT uid FROM ev WHERE name = 'product_viewed' AND {last(14)} GROUP BY uid
        HAVING count(DISTINCT product_id) >= 3""",
    "q22": """SELECT uid FROM (SELECT uid, arg_max(source, (ts, event_id)) AS source FROM ev
        WHERE name = 'page_viewed' GROUP BY uid) WHERE source = 'email'""",
    "q24": f"""SELECT uid FROM us WHERE created_at < {ago(60)}
        AND uid NOT IN (SELECT uid FROM ev WHERE {last(30)})""",
}


def load(connection, tables):
    """The tables as typed, sorted ones: us (one row a user, properties as columns) and ev."""
    enums = {"account_type": None, "industry": None, "company_size": None, "country": None, "language": None,
             "lifecycle_stage": None}
    properties = ", ".join(
        f"arg_max(property_value, (updated_at, property_id)) FILTER (WHERE property_name = '{name}') AS {name}"
        for name in enums if name != "account_type")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"""
        CREATE TABLE us AS
        SELECT row_number() OVER () :: INTEGER AS uid, user_id, created_at :: TIMESTAMP AS created_at, account_type,
               p.* EXCLUDE (user_id)
        FROM '{tables}/users.parquet' LEFT JOIN (SELECT user_id, {properties} FROM '{tables}/user_properties.parquet'
        GROUP BY user_id) p USING (user_id)""")
    text = ["url", "source", "product_id", "currency", "coupon", "report_type", "plan", "webinar_id", "method", "device"]
    # What the generator writes is flat and without escapes, so that a list of paths reads each object once.
    paths = text + ["price", "amount", "duration_ms", "minutes", "value"]
    listed = ", ".join(f"'$.{path}'" for path in paths)
    columns = [f"x[{index + 1}] AS {path}" for index, path in enumerate(text)]
    types = {"price": "DECIMAL(12, 2)", "amount": "DECIMAL(12, 2)"}
    columns += [f"TRY_CAST(x[{paths.index(path) + 1}] AS {types.get(path, 'INTEGER')}) AS {path}"
                for path in paths[len(text):]]
    connection.execute(f"""
        CREATE TABLE raw AS
        SELECT uid, event_name AS name, ts, {', '.join(columns)}, event_id FROM (
            SELECT uid, event_name, "timestamp" :: TIMESTAMP AS ts, event_id,
                   json_extract_string(properties, [{listed}]) AS x
            FROM '{tables}/events/*.parquet' JOIN us USING (user_id))""")
    enumerated = []
    for column in ["name", *text]:
        connection.execute(f"CREATE TYPE {column}_values AS ENUM (SELECT DISTINCT {column} FROM raw "
                           f"WHERE {column} IS NOT NULL ORDER BY 1)")
        enumerated.append(f"CAST({column} AS {column}_values) AS {column}")
    connection.execute(f"CREATE TABLE ev AS SELECT * REPLACE ({', '.join(enumerated)}) FROM raw ORDER BY name, ts")
    connection.execute("DROP TABLE raw")
    for column in enums:
        connection.execute(f"CREATE TYPE {column}_values AS ENUM (SELECT DISTINCT {column} FROM us "
                           f"WHERE {column} IS NOT NULL ORDER BY 1)")
        connection.execute(f"ALTER TABLE us ALTER {column} TYPE {column}_values")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="folder that `crowdset generate` wrote")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", help="q02,q05")
    parser.add_argument("--database", help="file that keeps the loaded tables; default: in memory")
    parser.add_argument("--memory", default="12GB", help="DuckDB's memory limit")
    parser.add_argument("--crowdset", type=Path, help="answers and times that `measure --json` wrote")
    arguments = parser.parse_args()

    peer = json.loads(arguments.crowdset.read_text())["questions"] if arguments.crowdset else {}
    connection = duckdb.connect(arguments.database or ":memory:")
    connection.execute(f"SET threads = {arguments.threads}")
    connection.execute(f"SET memory_limit = '{arguments.memory}'")
    connection.execute("SET preserve_insertion_order = true")
    loaded = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'ev'").fetchone()[0]
    print(f"DuckDB {duckdb.__version__}, {arguments.threads} threads")
    if not loaded:
        started = time.perf_counter()
        load(connection, arguments.tables)
        seconds = time.perf_counter() - started
        rows = connection.execute("SELECT count(*) FROM ev").fetchone()[0]
        print(f"load into typed, sorted tables: {rows:,} events in {seconds:.1f} s = {rows / seconds / 1e6:.2f} M events/s")

    print("\n| | answer | DuckDB median ms | min | Crowdset median ms | min | ratio of minima |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    wrong = []
    for name, query in QUESTIONS.items():
        if arguments.only and name not in arguments.only.split(","):
            continue
        counting = f"SELECT count(*) FROM ({query})"
        answer = connection.execute(counting).fetchone()[0]
        other = peer.get(name)
        if other and other["answer"] != answer:
            wrong.append(f"{name}: DuckDB {answer}, Crowdset {other['answer']}")
        times = []
        for _ in range(arguments.runs):
            started = time.perf_counter()
            connection.execute(counting).fetchone()
            times.append((time.perf_counter() - started) * 1e3)
        line = f"| {name} | {answer:,} | {statistics.median(times):.2f} | {min(times):.2f} |"
        if other:
            line += f" {other['median_us'] / 1e3:.3f} | {other['min_us'] / 1e3:.3f} |"
            line += f" {min(times) * 1e3 / other['min_us']:.0f} |"
        else:
            line += " | | |"
        print(line, flush=True)
    if wrong:
        print("\nAnswers differ:\n" + "\n".join(wrong))
        sys.exit(1)


if __name__ == "__main__":
    main()
