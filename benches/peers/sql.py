"""The questions in SQL, for engines that differ in dialect only; each overrides what it can say better."""

from common import ASKED, DAY, NOW, PAIRED, Variant, ago, pairs, sample_of, trend

FIRST = NOW - 30 * DAY


def listed(values):
    return ", ".join(f"'{value}'" for value in values)


class SqlPeer:
    """Tables: `us` (uid, created_at, account_type and the properties) and events by `rows`."""

    day_bits = "bit_or(1 << ((ts - {start}) // 86400000))"
    bit_count = "bit_count({bits})"

    def rows(self, events, *tests):
        """`FROM … WHERE …` for the rows of events (a name, several, or None for any) that pass."""
        raise NotImplementedError

    def query(self, sql):
        """All rows of the answer as tuples."""
        raise NotImplementedError

    def numbers(self, sql):
        """The first column of the answer, ascending, as a sequence of integers."""
        raise NotImplementedError

    # One segment each: SQL that gives the users.

    def q01(self):
        return "SELECT uid FROM us WHERE account_type = 'free'"

    def q02(self, account, days, over):
        reported = f"SELECT uid {self.rows('report_generated', f'ts >= {ago(days)}')} GROUP BY uid HAVING count(*) > {over}"
        return f"SELECT uid FROM us WHERE account_type = '{account}' AND uid IN ({reported})"

    def q03(self, url, days, least):
        pages = self.rows("page_viewed", f"url = '{url}'", f"ts >= {ago(days)}")
        often = f"SELECT uid {pages} GROUP BY uid HAVING count(*) >= {least}"
        return f"SELECT uid FROM ({often}) t WHERE uid NOT IN (SELECT uid {self.rows('trial_started')})"

    def q04(self, bought, seen):
        viewed = f"SELECT uid {self.rows('product_viewed', self.is_product(seen))}"
        return f"SELECT DISTINCT uid {self.rows('purchase', self.is_product(bought), f'uid NOT IN ({viewed})')}"

    def is_product(self, product):
        return f"product_id = '{product}'"

    def q05(self, webinar):
        attended = f"SELECT uid, max(ts) AS latest {self.rows('webinar_attended', self.is_webinar(webinar))} GROUP BY uid"
        signed = f"SELECT uid, max(ts) AS signed {self.rows('signed_in', 'uid IN (SELECT uid FROM w)')} GROUP BY uid"
        return f"""WITH w AS ({attended}), s AS ({signed})
            SELECT w.uid AS uid FROM w LEFT JOIN s ON s.uid = w.uid WHERE coalesce(signed, 0) <= latest"""

    def is_webinar(self, webinar):
        return f"webinar_id = '{webinar}'"

    def q06(self, industry, size, webinar):
        attended = f"SELECT uid {self.rows('webinar_attended', self.is_webinar(webinar))}"
        return f"SELECT uid FROM us WHERE industry = '{industry}' AND company_size = '{size}' AND uid IN ({attended})"

    def q07(self):
        return f"SELECT uid, count(*) AS n {self.rows(None, f'ts >= {ago(30)}')} GROUP BY uid ORDER BY n DESC, uid LIMIT 1000"

    def q08(self, days, least):
        return f"SELECT uid {self.rows('purchase', f'ts >= {ago(days)}')} GROUP BY uid HAVING sum(amount) >= {least * 100}"

    def q09(self, *tests):
        """Per row the latest first step so far; per second step that is carried on to the third."""
        steps = " UNION ALL ".join(
            f"SELECT uid, ts, {kind} AS kind {self.rows(event, f'ts >= {FIRST}', *tests)}"
            for kind, event in enumerate(["product_viewed", "item_added_to_cart", "purchase"]))
        over = "OVER (PARTITION BY uid ORDER BY ts, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        return f"""SELECT DISTINCT uid FROM (SELECT uid, ts, kind,
                max(CASE WHEN kind = 1 THEN a END) {over} AS ab FROM (SELECT uid, ts, kind,
                max(CASE WHEN kind = 0 THEN ts END) {over} AS a FROM ({steps}) t) t) t
            WHERE kind = 2 AND ts - ab <= {7 * DAY}"""

    def q09_of_buyers(self):
        """The same, of those only who took the last two steps at all."""
        took = [f"uid IN (SELECT uid {self.rows(event, f'ts >= {FIRST}')})" for event in ("item_added_to_cart", "purchase")]
        return SqlPeer.q09(self, *took)

    def q10(self):
        return f"SELECT uid {self.rows('signed_in')} GROUP BY uid HAVING min(ts) >= {ago(14)}"

    def q10_anti(self):
        before = f"SELECT uid {self.rows('signed_in', f'ts < {ago(14)}')}"
        return f"SELECT DISTINCT uid {self.rows('signed_in', f'ts >= {ago(14)}', f'uid NOT IN ({before})')}"

    def q11(self, days, least):
        bits = self.bit_count.format(bits=self.day_bits.format(start=ago(days)))
        return f"SELECT uid {self.rows(None, f'ts >= {ago(days)}')} GROUP BY uid HAVING {bits} >= {least}"

    def q11_distinct(self, days, least):
        day = f"count(DISTINCT (ts - {ago(days)}) / 86400000)" if self.divides else f"count(DISTINCT (ts - {ago(days)}) // 86400000)"
        return f"SELECT uid {self.rows(None, f'ts >= {ago(days)}')} GROUP BY uid HAVING {day} >= {least}"

    divides = False  # whether `/` of integers is an integer

    def q12(self, event, since, recent):
        return f"SELECT uid {self.rows(event, f'ts >= {ago(since)}')} GROUP BY uid HAVING max(ts) < {ago(recent)}"

    def q12_anti(self, event, since, recent):
        lately = f"SELECT uid {self.rows(event, f'ts >= {ago(recent)}')}"
        return f"SELECT DISTINCT uid {self.rows(event, f'ts >= {ago(since)}', f'ts < {ago(recent)}', f'uid NOT IN ({lately})')}"

    def q13(self, events, sources, days, countries):
        did = f"SELECT uid {self.rows(events, f'source IN ({listed(sources)})', f'ts >= {ago(days)}')}"
        return f"SELECT uid FROM us WHERE country IN ({listed(countries)}) AND uid IN ({did})"

    def q14(self, over, days, least):
        bought = self.rows("purchase", f"amount > {over * 100}", f"ts >= {ago(days)}")
        return f"SELECT uid {bought} GROUP BY uid HAVING count(*) >= {least}"

    def q15(self, prefix, days, least):
        pages = self.rows("page_viewed", self.url_starts(prefix), f"ts >= {ago(days)}")
        return f"SELECT uid {pages} GROUP BY uid HAVING count(*) >= {least}"

    def url_starts(self, prefix):
        return f"starts_with(url, '{prefix}')"

    def q16(self):
        """Each condition a set of users."""

        def has(event, *tests, having=""):
            grouped = f" GROUP BY uid HAVING {having}" if having else ""
            return f"uid IN (SELECT uid {self.rows(event, *tests)}{grouped})"

        since = lambda days: f"ts >= {ago(days)}"
        # A user who started a trial and spent less than 50: no purchase at all is less, too.
        spent = has("purchase", since(90), having="sum(amount) >= 5000")
        return f"""SELECT uid FROM us WHERE
          (account_type IN ('free', 'trial')
           AND ({has('page_viewed', since(30), having='count(*) >= 5')} OR {has('product_viewed', since(30), having='count(*) >= 3')}
                OR {has('report_generated', "report_type = 'revenue'", since(14))})
           AND NOT ({has('trial_started', since(60))} AND NOT {spent})
           AND {has(None, since(7))})
          OR (industry IN ('SaaS', 'Finance', 'Retail') AND company_size IN ('11-50', '51-200')
           AND ({has('webinar_attended', since(60))} OR {has('feature_05_used', since(14))}
                OR (country = 'DE' AND language = 'de')))
          OR (lifecycle_stage = 'at_risk' AND created_at < {ago(60)}
           AND NOT ({has('signed_in', since(14))} OR {has('page_viewed', "source = 'email'", since(30))})
           AND ({has('purchase', 'amount > 10000')} OR {has('item_added_to_cart', 'price >= 5000', since(30))}
                OR {has('feature_07_used', 'value > 50', since(30))}))"""

    def segment(self, like, arguments=None):
        arguments = ASKED.get(like, ()) if arguments is None else arguments
        return getattr(self, like)(*arguments)

    def q17(self):
        sets = " UNION ALL ".join(
            f"SELECT uid, {1 << place} AS bit FROM ({self.segment(like)}) t" for place, like in enumerate(PAIRED))
        return f"SELECT mask, count(*) AS n FROM (SELECT uid, sum(bit) AS mask FROM ({sets}) t GROUP BY uid) t GROUP BY mask"

    def q18(self):
        return f"SELECT country, count(*) AS n FROM us WHERE uid IN ({self.segment('q02')}) GROUP BY country"

    def q19(self):
        """Every page of the last 37 days lies in the windows of seven days' ends."""
        back = f"({NOW} - ts - 1) {'/' if self.divides else '//'} 86400000"
        pages = self.rows("page_viewed", "url = '/pricing'", f"ts >= {ago(37)}")
        seven = " UNION ALL ".join(f"SELECT {place} AS k" for place in range(7))
        often = f"""SELECT day, uid FROM (SELECT uid, back - k AS day FROM (SELECT uid, {back} AS back {pages}) p
            CROSS JOIN ({seven}) s) t WHERE day BETWEEN 0 AND 29 GROUP BY day, uid HAVING count(*) >= 3"""
        trials = f"SELECT uid, min(ts) AS first {self.rows('trial_started')} GROUP BY uid"
        return f"""SELECT day, count(*) AS n FROM ({often}) o LEFT JOIN ({trials}) f ON f.uid = o.uid
            WHERE first IS NULL OR first >= {NOW} - day * {DAY} GROUP BY day"""

    def q21(self):
        return f"""SELECT uid {self.rows('product_viewed', f'ts >= {ago(14)}')} GROUP BY uid
            HAVING count(DISTINCT product_id) >= 3"""

    def q21_twice(self):
        return f"""SELECT uid FROM (SELECT uid, product_id {self.rows('product_viewed', f'ts >= {ago(14)}')}
            GROUP BY uid, product_id) t GROUP BY uid HAVING count(*) >= 3"""

    def q22(self):
        raise NotImplementedError

    def q23(self, uid):
        account = f"SELECT 1 FROM us WHERE uid = {uid} AND account_type = 'free'"
        many = f"SELECT count(*) {self.rows('report_generated', f'uid = {uid}', f'ts >= {ago(30)}')}"
        return f"SELECT count(*) FROM ({account}) t WHERE ({many}) > 5"

    def q24(self):
        return f"SELECT uid FROM us WHERE created_at < {ago(60)} AND uid NOT IN (SELECT uid {self.rows(None, f'ts >= {ago(30)}')})"

    # All of them.

    def others(self):
        """More ways to ask, by question: pairs of a label and SQL."""
        return {}

    def set_of(self, sql, label=""):
        counting = f"SELECT count(*) FROM ({sql}) t"
        return Variant(lambda: self.query(counting)[0][0], lambda: self.numbers(sql), label)

    def questions(self):
        others = {
            "q09": [("of buyers", self.q09_of_buyers())],
            "q10": [("not before", self.q10_anti())],
            "q11": [("count(DISTINCT day)", self.q11_distinct(*ASKED["q11"]))],
            "q12": [("not lately", self.q12_anti(*ASKED["q12"]))],
            "q21": [("grouped twice", self.q21_twice())],
        }
        for question, more in self.others().items():
            others[question] = others.get(question, []) + more
        asked = {}
        for number in range(1, 25):
            question = f"q{number:02}"
            if question == "q17":
                sql = self.q17()
                asked[question] = [Variant(lambda: pairs(self.query(sql)))]
            elif question == "q18":
                by_country = self.q18()
                asked[question] = [Variant(lambda: dict(self.query(by_country)))]
            elif question == "q19":
                daily = self.q19()
                asked[question] = [Variant(lambda: trend(self.query(daily)))]
            elif question == "q20":
                count_of = lambda like, arguments: self.query(f"SELECT count(*) FROM ({self.segment(like, arguments)}) t")[0][0]
                asked[question] = [Variant(sample_of(count_of, self.options), parts=len(self.options.generated))]
            elif question == "q23":
                one = self.q23(self.uid_of(self.options.user))
                asked[question] = [Variant(lambda: self.query(one)[0][0] == 1)]
            else:
                asked[question] = [self.set_of(self.segment(question), "first" if question in others else "")]
                asked[question] += [self.set_of(sql, label) for label, sql in others.get(question, [])]
        return asked

    def uid_of(self, user):
        from bisect import bisect_left

        return bisect_left(self.ids, user.encode())
