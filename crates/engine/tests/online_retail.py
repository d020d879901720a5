#!/usr/bin/env python3
"""Checks the numbers in online_retail.sql with DuckDB; `--write` puts them there.

    pip install duckdb
    python3 crates/engine/tests/online_retail.py [--write]
"""

import os
import re
import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent
SQL = HERE / "online_retail.sql"
DATA = HERE.parents[2] / "data" / "online-retail"


def fingerprint(ids):
    """FNV-1a, 64 bits, of the ids and a line feed after each."""
    value = 0xCBF29CE484222325
    for byte in "".join(f"{user}\n" for user in ids).encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def main():
    write = sys.argv[1:] == ["--write"]
    head, *cases = re.split(r"(?m)^(?=-- case: )", SQL.read_text())
    os.chdir(DATA)
    connection = duckdb.connect()
    connection.execute(head.split("-- prelude\n")[1])
    wrong = 0
    for index, case in enumerate(cases):
        name = re.search(r"-- case: (.*)", case)[1]
        as_of = re.search(r"-- as of: (.*)", case)
        connection.execute(f"SET VARIABLE as_of = TIMESTAMPTZ '{as_of[1] if as_of else '2011-12-10'}'")
        query = re.sub(r"(?m)^--.*\n", "", case)
        ids = sorted(row[0] for row in connection.execute(query).fetchall())
        assert len(ids) == len(set(ids)), f"{name}: a user twice"
        lines = f"-- users: {len(ids)}\n-- ids: {fingerprint(ids)}\n"
        if write:
            bare = re.sub(r"(?m)^-- (users|ids): .*\n", "", case)
            cases[index] = re.sub(r"(?m)^(?=[^-\n])", lines, bare, count=1)
        elif lines not in case:
            wrong += 1
            print(f"{name}: expected\n{lines}", end="")
        print(f"{len(ids):6} {name}")
    if write:
        SQL.write_text(head + "".join(cases))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
