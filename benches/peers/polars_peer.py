"""Polars: frames in memory, one per event name and sorted by time, so that a window is a slice; text as enums.

The events whose whole history is asked for are kept by user as well. Whatever is asked is tried in both engines of
Polars, and in more than one way where that may pay; the quickest is timed.
"""

import operator
from bisect import bisect_left
from functools import reduce

import polars as pl

import common
from common import ASKED, ATTRIBUTES, DAY, NOW, PAIRED, TEXTS, Variant, ago, pairs, sample_of, trend

FILES_AT_ONCE = 6
BY_USER = ["signed_in", "page_viewed"]
KINDS = {"text": pl.String, "money": pl.Float64, "integer": pl.Int32}
uid, ts = pl.col("uid"), pl.col("ts")


class Tables:
    """`us`, a frame per event name by time (`events`) and by user (`by_user`), and all events by time (`any`)."""

    def __init__(self, folder):
        users = pl.read_parquet(folder / "users.parquet", columns=["user_id", "created_at", "account_type"])
        users = users.sort("user_id").with_row_index("uid").with_columns(pl.col("created_at").dt.epoch("ms"))
        values = pl.read_parquet(folder / "user_properties.parquet").filter(pl.col("property_name").is_in(ATTRIBUTES))
        values = values.sort("updated_at", "property_id").group_by("user_id", "property_name", maintain_order=True)
        values = values.agg(pl.col("property_value").last()).pivot("property_name", index="user_id", values="property_value")
        users = users.join(values, on="user_id", how="left", maintain_order="left")
        self.ids = [user.encode() for user in users["user_id"]]
        numbers = users.select("user_id", "uid")
        self.us = users.drop("user_id").with_columns(as_enum(users[name]) for name in ["account_type", *ATTRIBUTES])

        parts = {}
        files = sorted((folder / "events").glob("*.parquet"))
        for start in range(0, len(files), FILES_AT_ONCE):
            rows = pl.read_parquet(files[start:start + FILES_AT_ONCE]).with_columns(ts=pl.col("timestamp").dt.epoch("ms"))
            rows = rows.join(numbers, on="user_id", maintain_order="left").sort("ts", "event_id")
            rows = rows.select("event_name", "uid", "ts", "properties")
            for (name,), part in rows.partition_by("event_name", as_dict=True, include_key=False).items():
                parts.setdefault(name, []).append(typed(name, part))
            del rows
        self.events = {}
        for name in list(parts):
            self.events[name] = pl.concat(parts.pop(name), rechunk=True)
        for text in TEXTS:
            holders = [name for name, frame in self.events.items() if text in frame.columns]
            seen = pl.concat([self.events[name][text].unique().cast(pl.String) for name in holders]).unique().drop_nulls().sort()
            for name in holders:
                values = self.events[name][text].cast(pl.String).cast(pl.Enum(seen))
                self.events[name] = self.events[name].with_columns(values.alias(text))
        self.any = pl.concat([frame.select("uid", "ts") for frame in self.events.values()]).sort("ts")
        self.events = {name: frame.with_columns(ts.set_sorted()) for name, frame in self.events.items()}
        self.by_user = {name: self.events[name].sort("uid", maintain_order=True) for name in BY_USER}


def as_enum(series):
    return series.cast(pl.Enum(series.unique().drop_nulls().sort()))


def typed(event, part):
    """The properties of one event as columns."""
    kinds = common.properties_of(event)
    shape = pl.Struct({name: KINDS[kind] for name, kind in kinds.items()})
    part = part.select("uid", "ts", pl.col("properties").str.json_decode(shape).alias("x")).unnest("x")
    casts = [(pl.col(name) * 100).round().cast(pl.Int32) for name, kind in kinds.items() if kind == "money"]
    casts += [pl.col(name).cast(pl.Categorical) for name, kind in kinds.items() if kind == "text"]
    return part.with_columns(casts)


class Polars:
    name = "Polars"
    version = pl.__version__
    form = "frames in memory, one per event name by time, two also by user, all events by time; text as enums"

    def __init__(self, options):
        self.options = options

    def load(self):
        self.tables = Tables(self.options.tables)
        self.us = self.tables.us.lazy()
        return self.tables.ids

    def rows(self, event, days=None, until=None):
        """The rows of an event (or of any) in the last days, up to `until` days ago: a slice."""
        frame = self.tables.any if event is None else self.tables.events[event]
        start = 0 if days is None else frame["ts"].search_sorted(ago(days), "left")
        end = len(frame) if until is None else frame["ts"].search_sorted(ago(until), "left")
        return frame.lazy().slice(start, end - start)

    # One segment each: a lazy frame with the users.

    def q01(self):
        return self.us.filter(pl.col("account_type") == "free").select("uid")

    def q02(self, account, days, over):
        often = self.rows("report_generated", days).group_by("uid").len().filter(pl.col("len") > over)
        return self.us.filter(pl.col("account_type") == account).select("uid").join(often, on="uid", how="semi")

    def q03(self, url, days, least):
        often = self.rows("page_viewed", days).filter(pl.col("url") == url).group_by("uid").len()
        return often.filter(pl.col("len") >= least).join(self.rows("trial_started").select("uid"), on="uid", how="anti")

    def q04(self, bought, seen):
        buyers = self.rows("purchase").filter(pl.col("product_id") == bought).select("uid").unique()
        return buyers.join(self.rows("product_viewed").filter(pl.col("product_id") == seen).select("uid"), on="uid", how="anti")

    def q05(self, webinar):
        attended = self.rows("webinar_attended").filter(pl.col("webinar_id") == webinar)
        attended = attended.group_by("uid").agg(ts.max().alias("latest"))
        after = self.rows("signed_in").select("uid", "ts").join(attended, on="uid").filter(ts > pl.col("latest"))
        return attended.join(after, on="uid", how="anti")

    def q06(self, industry, size, webinar):
        attended = self.rows("webinar_attended").filter(pl.col("webinar_id") == webinar)
        of = (pl.col("industry") == industry) & (pl.col("company_size") == size)
        return self.us.filter(of).select("uid").join(attended.select("uid"), on="uid", how="semi")

    def q07(self):
        return self.rows(None, 30).group_by("uid").len().sort("len", "uid", descending=[True, False]).head(1000)

    def q08(self, days, least):
        spent = self.rows("purchase", days).group_by("uid").agg(pl.col("amount").cast(pl.Int64).sum())
        return spent.filter(pl.col("amount") >= least * 100)

    def q09(self):
        a, b, c = (self.rows(name, 30).select("uid", "ts") for name in ("product_viewed", "item_added_to_cart", "purchase"))
        ab = b.join_asof(a.with_columns(first=ts), on="ts", by="uid", check_sortedness=False).drop_nulls("first")
        abc = c.join_asof(ab.select("uid", "ts", "first"), on="ts", by="uid", check_sortedness=False)
        return abc.filter(ts - pl.col("first") <= 7 * DAY).select("uid").unique()

    def q09_over(self):
        names = ("product_viewed", "item_added_to_cart", "purchase")
        steps = [self.rows(name, 30).select("uid", "ts", kind=pl.lit(kind, pl.UInt8)) for kind, name in enumerate(names)]
        rows = pl.concat(steps).sort("uid", "ts", "kind")
        a = pl.when(pl.col("kind") == 0).then(ts).cum_max().forward_fill().over("uid")
        rows = rows.with_columns(a=a)
        ab = pl.when(pl.col("kind") == 1).then(pl.col("a")).cum_max().forward_fill().over("uid")
        return rows.with_columns(ab=ab).filter((pl.col("kind") == 2) & (ts - pl.col("ab") <= 7 * DAY)).select("uid").unique()

    def q10(self):
        return self.rows("signed_in").group_by("uid").agg(ts.min()).filter(ts >= ago(14))

    def q10_anti(self):
        return self.rows("signed_in", 14).select("uid").unique().join(self.rows("signed_in", None, 14), on="uid", how="anti")

    def q10_by_user(self):
        rows = self.tables.by_user["signed_in"].lazy()
        return rows.filter((uid != uid.shift(1)).fill_null(True) & (ts >= ago(14))).select("uid")

    def q11(self, days, least):
        """User and day in one number."""
        both = self.rows(None, days).select((uid * 32 + ((ts - ago(days)) // DAY).cast(pl.UInt32)).alias("both"))
        return both.unique().group_by((pl.col("both") // 32).alias("uid")).len().filter(pl.col("len") >= least)

    def q11_slices(self, days, least):
        each = [self.rows(None, day + 1, day).select("uid").unique() for day in range(days)]
        return pl.concat(each).group_by("uid").len().filter(pl.col("len") >= least)

    def q12(self, event, since, recent):
        return self.rows(event, since).group_by("uid").agg(ts.max()).filter(ts < ago(recent))

    def q12_anti(self, event, since, recent):
        return self.rows(event, since, recent).select("uid").unique().join(self.rows(event, recent).select("uid"), on="uid", how="anti")

    def q13(self, events, sources, days, countries):
        did = pl.concat([self.rows(event, days).filter(one_of("source", sources)).select("uid") for event in events])
        return self.us.filter(one_of("country", countries)).select("uid").join(did, on="uid", how="semi")

    def q14(self, over, days, least):
        bought = self.rows("purchase", days).filter(pl.col("amount") > over * 100)
        return bought.group_by("uid").len().filter(pl.col("len") >= least)

    def q15(self, prefix, days, least):
        pages = self.rows("page_viewed", days).filter(pl.col("url").cat.starts_with(prefix))
        return pages.group_by("uid").len().filter(pl.col("len") >= least)

    def q16(self):
        """Each condition a set of users."""
        sets, col = [], pl.col

        def has(rows):
            sets.append(rows.select("uid"))
            return len(sets) - 1

        def many(rows, least):
            return has(rows.group_by("uid").len().filter(col("len") >= least))

        rows = self.rows
        pages, products = many(rows("page_viewed", 30), 5), many(rows("product_viewed", 30), 3)
        revenue = has(rows("report_generated", 14).filter(col("report_type") == "revenue"))
        trials, spent, week = has(rows("trial_started", 60)), has(self.q08(90, 50)), has(rows(None, 7))
        webinars, five, signed = has(rows("webinar_attended", 60)), has(rows("feature_05_used", 14)), has(rows("signed_in", 14))
        emailed = has(rows("page_viewed", 30).filter(col("source") == "email"))
        large = has(rows("purchase").filter(col("amount") > 10000))
        carts = has(rows("item_added_to_cart", 30).filter(col("price") >= 5000))
        seven = has(rows("feature_07_used", 30).filter(col("value") > 50))
        found = pl.collect_all([users.unique() for users in sets])
        of = lambda number: uid.is_in(found[number]["uid"].implode())
        return self.us.filter(
            (one_of("account_type", ["free", "trial"]) & (of(pages) | of(products) | of(revenue)) & ~(of(trials) & ~of(spent)) & of(week))
            | (one_of("industry", ["SaaS", "Finance", "Retail"]) & one_of("company_size", ["11-50", "51-200"])
               & (of(webinars) | of(five) | ((col("country") == "DE") & (col("language") == "de"))))
            | ((col("lifecycle_stage") == "at_risk") & (col("created_at") < ago(60)) & ~(of(signed) | of(emailed))
               & (of(large) | of(carts) | of(seven)))).select("uid")

    def q17(self):
        sets = [getattr(self, like)(*ASKED.get(like, ())).select("uid", bit=pl.lit(1 << place, pl.UInt32)) for place, like in enumerate(PAIRED)]
        return pl.concat(sets).group_by("uid").agg(pl.col("bit").sum()).group_by("bit").len()

    def q18(self):
        return self.us.select("uid", "country").join(self.q02(*ASKED["q02"]), on="uid", how="semi").group_by("country").len()

    def q19(self):
        """Every page of the last 37 days lies in the windows of seven days' ends."""
        pages = self.rows("page_viewed", 37).filter(pl.col("url") == "/pricing").select("uid", back=(NOW - 1 - ts) // DAY)
        often = pages.join(pl.LazyFrame({"k": range(7)}), how="cross").select("uid", day=pl.col("back") - pl.col("k"))
        often = often.filter(pl.col("day").is_between(0, 29)).group_by("day", "uid").len().filter(pl.col("len") >= 3)
        trials = self.rows("trial_started").group_by("uid").agg(ts.min().alias("first"))
        before = pl.col("first") < NOW - pl.col("day") * DAY
        return often.join(trials, on="uid", how="left").filter(~before.fill_null(False)).group_by("day").len()

    def q21(self):
        return self.rows("product_viewed", 14).select("uid", "product_id").unique().group_by("uid").len().filter(pl.col("len") >= 3)

    def q21_number(self):
        both = (uid.cast(pl.UInt64) * 65536 + pl.col("product_id").to_physical()).alias("both")
        pairs = self.rows("product_viewed", 14).select(both).unique()
        return pairs.group_by((pl.col("both") // 65536).cast(pl.UInt32).alias("uid")).len().filter(pl.col("len") >= 3)

    def q22(self):
        rows = self.tables.by_user["page_viewed"].lazy()
        return rows.filter((uid != uid.shift(-1)).fill_null(True) & (pl.col("source") == "email")).select("uid")

    def q23(self, number):
        free = self.tables.us.lazy().slice(number, 1).filter(pl.col("account_type") == "free").select("uid")
        many = self.rows("report_generated", 30).filter(uid == number).group_by("uid").len().filter(pl.col("len") > 5)
        return free.join(many, on="uid", how="semi")

    def q24(self):
        return self.us.filter(pl.col("created_at") < ago(60)).select("uid").join(self.rows(None, 30).select("uid"), on="uid", how="anti")

    # All of them.

    def questions(self):
        more = {"q09": [self.q09_over], "q10": [self.q10_anti, self.q10_by_user], "q11": [self.q11_slices],
                "q12": [self.q12_anti], "q21": [self.q21_number]}
        asked = {}
        for number in range(1, 25):
            question = f"q{number:02}"
            asks = [getattr(self, question), *more.get(question, [])] if question != "q20" else []
            arguments = ASKED.get(question, ())
            variants = []
            if question == "q20":
                count_of = lambda like, drawn: size(getattr(self, like)(*drawn), "in-memory")
                variants.append(Variant(sample_of(count_of, self.options), parts=len(self.options.generated)))
            for engine in ("in-memory", "streaming"):
                for ask in asks:
                    label = f"{ask.__name__[4:]} {engine}".strip()
                    if question == "q17":
                        run = lambda engine=engine: pairs(self.q17().collect(engine=engine).rows())
                    elif question == "q18":
                        run = lambda engine=engine: dict(self.q18().collect(engine=engine).rows())
                    elif question == "q19":
                        run = lambda engine=engine: trend(self.q19().collect(engine=engine).rows())
                    elif question == "q23":
                        one = bisect_left(self.tables.ids, self.options.user.encode())
                        run = lambda engine=engine, one=one: size(self.q23(one), engine) == 1
                    else:
                        run = lambda engine=engine, ask=ask, arguments=arguments: size(ask(*arguments), engine)
                        members = lambda ask=ask, arguments=arguments: ask(*arguments).select("uid").collect()["uid"].sort().to_list()
                        variants.append(Variant(run, members, label))
                        continue
                    variants.append(Variant(run, label=label))
            asked[question] = variants
        return asked


def one_of(column, values):
    return reduce(operator.or_, [pl.col(column) == value for value in values])


def size(frame, engine):
    return frame.select(pl.len()).collect(engine=engine).item()


if __name__ == "__main__":
    common.main(Polars)
