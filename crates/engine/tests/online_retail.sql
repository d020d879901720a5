-- Segments over data/online-retail, each beside a query that finds the same users in SQL.
--
-- `online_retail.py` runs the queries with DuckDB and checks (or, with --write, puts) the lines `users:` and `ids:`;
-- `online_retail.rs` runs the segments with the engine and checks the same lines. Neither sees the other's work.
--
--   case:     a name
--   as of:    the instant; 2011-12-10, the end of the data, where it is not given
--   segment:  the definition; continued on lines that begin with `--   `
--   users:    how many there are
--   ids:      FNV-1a (64 bits) of their ids in ascending order, a line feed after each
--
-- Each query returns user ids. `e` holds the events before the instant, `u` the users, and `p` the value each property
-- had at the instant.

-- prelude
SET TimeZone = 'UTC';
CREATE TABLE all_events AS
SELECT event_id, user_id, event_name AS name, "timestamp" AS ts,
       properties->>'$.stock_code' AS stock_code, properties->>'$.description' AS description,
       CAST(properties->>'$.quantity' AS BIGINT) AS quantity,
       CAST(properties->>'$.unit_price' AS DECIMAL(18, 3)) AS unit_price,
       CAST(properties->>'$.amount' AS DECIMAL(18, 2)) AS amount,
       CAST(properties->>'$.total' AS DECIMAL(18, 2)) AS total,
       CAST(properties->>'$.items' AS BIGINT) AS items,
       properties->>'$.country' AS country
FROM 'events/*.parquet';
CREATE VIEW e AS SELECT * FROM all_events WHERE ts < getvariable('as_of');
CREATE VIEW u AS SELECT * FROM 'users.parquet';
CREATE VIEW p AS
SELECT user_id, property_name AS name, arg_max(property_value, (updated_at, property_id)) AS value
FROM 'user_properties.parquet' WHERE updated_at < getvariable('as_of') GROUP BY ALL;
-- The first and the last of a user's events of one name: by time, then event_id.
CREATE MACRO firsts(wanted) AS TABLE
SELECT * FROM e WHERE name = wanted QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY ts, event_id) = 1;
CREATE MACRO lasts(wanted) AS TABLE
SELECT * FROM e WHERE name = wanted QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY ts DESC, event_id DESC) = 1;
CREATE MACRO did(wanted) AS TABLE SELECT DISTINCT user_id FROM e WHERE name = wanted;

-- case: one-time buyers
-- segment: count(order_placed) = 1
-- users: 1494
-- ids: e4c92a0b5e9f1c65
SELECT user_id FROM e WHERE name = 'order_placed' GROUP BY user_id HAVING count(*) = 1;

-- case: november only
-- segment: did(order_placed, from '2011-11-01' to '2011-12-01')
--   and not did(order_placed, before '2011-11-01') and not did(order_placed, since '2011-12-01')
-- users: 288
-- ids: 0eb6e956de3a4b0a
SELECT user_id FROM e WHERE name = 'order_placed' GROUP BY user_id
HAVING min(ts) >= '2011-11-01' AND max(ts) < '2011-12-01';

-- case: a large order regretted within a quarter of an hour
-- segment: sequence(order_placed where total >= 1000 then order_cancelled where total >= 1000, within 15 minutes)
-- users: 18
-- ids: 2b298a7f5129b87b
SELECT DISTINCT a.user_id FROM e a JOIN e b USING (user_id)
WHERE a.name = 'order_placed' AND a.total >= 1000 AND b.name = 'order_cancelled' AND b.total >= 1000
  AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 15 MINUTE;

-- case: ordered, cancelled and ordered again within a week
-- segment: sequence(order_placed then order_cancelled then order_placed, within 7 days)
-- users: 202
-- ids: 2c22c34212b43f9f
SELECT DISTINCT a.user_id FROM e a JOIN e b USING (user_id) JOIN e c USING (user_id)
WHERE a.name = 'order_placed' AND b.name = 'order_cancelled' AND c.name = 'order_placed'
  AND a.event_id <> c.event_id AND a.ts <= b.ts AND b.ts <= c.ts AND c.ts <= a.ts + INTERVAL 7 DAY;

-- case: returned much of the little they bought
-- segment: sum(item_returned.quantity) >= 50 and sum(item_purchased.quantity) <= 300
-- users: 31
-- ids: 0c35cbafe7bf872a
SELECT user_id FROM e GROUP BY user_id
HAVING coalesce(sum(quantity) FILTER (WHERE name = 'item_returned'), 0) >= 50
   AND coalesce(sum(quantity) FILTER (WHERE name = 'item_purchased'), 0) <= 300;

-- case: one return worth a thousand pounds
-- segment: max(item_returned.amount, since '2011-01-01') >= 1000
-- users: 13
-- ids: 9cc59f0b0ee50de2
SELECT user_id FROM e WHERE name = 'item_returned' AND ts >= '2011-01-01' GROUP BY user_id HAVING max(amount) >= 1000;

-- case: the latest order came from France
-- segment: last(order_placed).country = 'France'
-- users: 87
-- ids: 67f888bb3eac55dc
SELECT user_id FROM lasts('order_placed') WHERE country = 'France';

-- case: began big, ended small
-- segment: first(order_placed).total >= 1000 and last(order_placed).total < 200
-- users: 34
-- ids: 6a009bb3ff31e0ed
SELECT a.user_id FROM firsts('order_placed') a JOIN lasts('order_placed') b USING (user_id)
WHERE a.total >= 1000 AND b.total < 200;

-- case: five thousand pounds
-- segment: sum(order_placed.total) >= 5000
-- users: 275
-- ids: 97f45f3182751852
SELECT user_id FROM e WHERE name = 'order_placed' GROUP BY user_id HAVING sum(total) >= 5000;

-- case: five thousand pounds from abroad since June
-- segment: sum(order_placed.total where country != 'United Kingdom', since '2011-06-01') >= 5000
-- users: 27
-- ids: 0c26628116d02db5
SELECT user_id FROM e WHERE name = 'order_placed' AND country <> 'United Kingdom' AND ts >= '2011-06-01'
GROUP BY user_id HAVING sum(total) >= 5000;

-- case: a hundred different articles
-- segment: distinct(item_purchased.stock_code) >= 100
-- users: 780
-- ids: 7f17fe45ba8b56c3
SELECT user_id FROM e WHERE name = 'item_purchased' GROUP BY user_id HAVING count(DISTINCT stock_code) >= 100;

-- case: good customers gone quiet
-- segment: sum(order_placed.total) >= 1000 and not did(any event, last 90 days)
-- users: 220
-- ids: ca5295e4476ddab5
SELECT user_id FROM e GROUP BY user_id
HAVING sum(total) FILTER (WHERE name = 'order_placed') >= 1000
   AND max(ts) < getvariable('as_of') - INTERVAL 90 DAY;

-- case: good customers gone quiet, asked in September
-- as of: 2011-09-01T12:30:00Z
-- segment: sum(order_placed.total) >= 1000 and not did(any event, last 90 days)
-- users: 164
-- ids: 8c1d11539b410d47
SELECT user_id FROM e GROUP BY user_id
HAVING sum(total) FILTER (WHERE name = 'order_placed') >= 1000
   AND max(ts) < getvariable('as_of') - INTERVAL 90 DAY;

-- case: newcomers
-- segment: first(order_placed) in last 30 days
-- users: 253
-- ids: a3e0c2c45fe85100
SELECT user_id FROM firsts('order_placed') WHERE ts >= getvariable('as_of') - INTERVAL 30 DAY;

-- case: bought the white hanging heart and brought it back
-- segment: sequence(item_purchased where stock_code = '85123A' then item_returned where stock_code = '85123A')
-- users: 34
-- ids: 9de817f700224755
SELECT DISTINCT a.user_id FROM e a JOIN e b USING (user_id)
WHERE a.name = 'item_purchased' AND b.name = 'item_returned'
  AND a.stock_code = '85123A' AND b.stock_code = '85123A' AND a.ts <= b.ts;

-- case: bought the white hanging heart and never another bestseller
-- segment: did(item_purchased where stock_code = '85123A')
--   and not did(item_purchased where stock_code in ('22423', '85099B', '47566', '84879'))
-- users: 302
-- ids: 2cabb8fe745765d1
SELECT user_id FROM e WHERE name = 'item_purchased' GROUP BY user_id
HAVING bool_or(stock_code = '85123A') AND NOT bool_or(stock_code IN ('22423', '85099B', '47566', '84879'));

-- case: the fifty largest
-- segment: top(50, sum(order_placed.total))
-- users: 50
-- ids: 509c560383c51c3a
SELECT user_id FROM e WHERE name = 'order_placed' GROUP BY user_id ORDER BY sum(total) DESC, user_id LIMIT 50;

-- case: the most frequent five per cent
-- segment: top(5%, count(order_placed))
-- users: 216
-- ids: f7d2ec692282ba83
SELECT user_id FROM e WHERE name = 'order_placed' GROUP BY user_id
QUALIFY row_number() OVER (ORDER BY count(*) DESC, user_id) <= count(*) OVER () * 5 // 100;

-- case: the hundred with the least money back
-- segment: bottom(100, sum(item_returned.amount, last 180 days))
-- users: 100
-- ids: f0ee30174f4645e6
SELECT user_id FROM e WHERE name = 'item_returned' AND ts >= getvariable('as_of') - INTERVAL 180 DAY
GROUP BY user_id ORDER BY sum(amount), user_id LIMIT 100;

-- case: known to live in Belgium or Cyprus
-- segment: country in ('Belgium', 'Cyprus')
-- users: 29
-- ids: 63da40b140c633a3
SELECT user_id FROM p WHERE name = 'country' AND value IN ('Belgium', 'Cyprus');

-- case: known to live in Belgium or Cyprus, in the middle of 2011
-- as of: 2011-05-15
-- segment: country in ('Belgium', 'Cyprus')
-- users: 20
-- ids: c9121ca3e6a5965c
SELECT user_id FROM p WHERE name = 'country' AND value IN ('Belgium', 'Cyprus');

-- case: country not known yet
-- as of: 2011-03-10T12:48:00Z
-- segment: country is not set
-- users: 2473
-- ids: 6a9b7baa8cf97ee8
SELECT user_id FROM u WHERE user_id NOT IN (SELECT user_id FROM p WHERE name = 'country');

-- case: Christmas in quantity
-- segment: count(item_purchased where description contains 'CHRISTMAS' and quantity between 12 and 144, last 60 days) >= 3
-- users: 556
-- ids: 97c67b93ea7ca728
SELECT user_id FROM e
WHERE name = 'item_purchased' AND contains(description, 'CHRISTMAS') AND quantity BETWEEN 12 AND 144
  AND ts >= getvariable('as_of') - INTERVAL 60 DAY
GROUP BY user_id HAVING count(*) >= 3;

-- case: quotes, patterns and prefixes
-- segment: did(item_purchased where description like '%"%"%' and stock_code matches '^[0-9]{5}[A-Z]$')
--   or did(item_purchased where description starts with 'DOORMAT' and description ilike '%union%flag%')
-- users: 371
-- ids: 7ac06e222ba53bee
SELECT DISTINCT user_id FROM e WHERE name = 'item_purchased'
  AND (description LIKE '%"%"%' AND regexp_matches(stock_code, '^[0-9]{5}[A-Z]$')
       OR starts_with(description, 'DOORMAT') AND description ILIKE '%union%flag%');

-- case: got something for nothing
-- segment: did(item_purchased where unit_price = 0)
-- users: 25
-- ids: 25b9886bb4de6e45
SELECT DISTINCT user_id FROM e WHERE name = 'item_purchased' AND unit_price = 0;

-- case: adjusted downwards, never upwards
-- segment: min(manual_adjustment.amount) < 0 and not max(manual_adjustment.amount) > 0
-- users: 75
-- ids: 8b6e7351dcb82868
SELECT user_id FROM e WHERE name = 'manual_adjustment' GROUP BY user_id HAVING min(amount) < 0 AND max(amount) <= 0;

-- case: average order of two to four hundred pounds
-- segment: avg(order_placed.total) between 200 and 400 and count(order_placed) >= 5
-- users: 509
-- ids: 0a961f3f393d47eb
SELECT user_id FROM e WHERE name = 'order_placed' GROUP BY user_id
HAVING sum(total) BETWEEN 200 * count(*) AND 400 * count(*) AND count(*) >= 5;

-- case: twenty days with an order
-- segment: days(order_placed, last 300 days) >= 20
-- users: 48
-- ids: 42128def090dfc59
SELECT user_id FROM e WHERE name = 'order_placed' AND ts >= getvariable('as_of') - INTERVAL 300 DAY
GROUP BY user_id HAVING count(DISTINCT CAST(ts AS DATE)) >= 20;

-- case: silent since a cancellation
-- segment: did(order_cancelled) and not did(order_placed, after last(order_cancelled))
-- users: 543
-- ids: 30f461389b627df3
SELECT c.user_id FROM lasts('order_cancelled') c
WHERE NOT EXISTS (FROM e WHERE e.user_id = c.user_id AND e.name = 'order_placed' AND e.ts > c.ts);

-- case: cancelled what was ordered before the data begins
-- segment: did(order_cancelled, before first(order_placed))
-- users: 145
-- ids: 910ac6d36c34a09c
SELECT DISTINCT c.user_id FROM e c JOIN firsts('order_placed') o USING (user_id)
WHERE c.name = 'order_cancelled' AND c.ts < o.ts;

-- case: came back within a month of the first order
-- segment: count(order_placed, within 30 days after first(order_placed)) >= 2
-- users: 958
-- ids: 96596c6537dfb695
SELECT e.user_id FROM e JOIN firsts('order_placed') o USING (user_id)
WHERE e.name = 'order_placed' AND e.ts BETWEEN o.ts AND o.ts + INTERVAL 30 DAY GROUP BY e.user_id HAVING count(*) >= 2;

-- case: slowing down
-- segment: count(order_placed, between 180 days ago and 90 days ago) >= 3 and count(order_placed, last 90 days) < 3
-- users: 137
-- ids: d1c4fe40889eee2f
SELECT user_id FROM e WHERE name = 'order_placed' GROUP BY user_id
HAVING count(*) FILTER (WHERE ts >= getvariable('as_of') - INTERVAL 180 DAY
                          AND ts < getvariable('as_of') - INTERVAL 90 DAY) >= 3
   AND count(*) FILTER (WHERE ts >= getvariable('as_of') - INTERVAL 90 DAY) < 3;

-- case: exports without postage
-- segment: account_type = 'export' and not did(shipping_charged) and did(order_placed)
-- users: 106
-- ids: 896360117aa58477
SELECT user_id FROM u WHERE account_type = 'export' AND user_id IN (FROM did('order_placed'))
  AND user_id NOT IN (FROM did('shipping_charged'));

-- case: never bought an article
-- segment: not did(item_purchased)
-- users: 37
-- ids: bf0c3bbbb913aa58
SELECT user_id FROM u WHERE user_id NOT IN (FROM did('item_purchased'));

-- case: a month to two since the last order
-- segment: days_since_last(order_placed) between 30 and 60
-- users: 748
-- ids: c4efd91eb1c72eaf
SELECT user_id FROM lasts('order_placed')
WHERE ts BETWEEN getvariable('as_of') - INTERVAL 60 DAY AND getvariable('as_of') - INTERVAL 30 DAY;

-- case: twenty events other than purchases in half a year
-- segment: count(any event except (item_purchased), last 180 days) >= 20
-- users: 148
-- ids: 2ea78b3764266315
SELECT user_id FROM e WHERE name <> 'item_purchased' AND ts >= getvariable('as_of') - INTERVAL 180 DAY
GROUP BY user_id HAVING count(*) >= 20;

-- case: trouble of any kind
-- segment: count(any of (item_returned, order_cancelled, discount_applied) where amount >= 50) >= 3
-- users: 63
-- ids: 15c2d9b0683ea4a2
SELECT user_id FROM e WHERE name IN ('item_returned', 'order_cancelled', 'discount_applied') AND amount >= 50
GROUP BY user_id HAVING count(*) >= 3;

-- case: nested three deep
-- segment: (account_type = 'domestic' or country in ('Germany', 'France'))
--   and not (first_order_month = '2010-12' and (did(order_cancelled) or sum(order_placed.units) < 100))
--   and (created_at >= 200 days ago or count(order_placed where items > 20) >= 2 and not did(fee_charged))
-- users: 2196
-- ids: 745cf643cbdd9733
SELECT u.user_id
FROM u
LEFT JOIN p c ON c.user_id = u.user_id AND c.name = 'country'
LEFT JOIN p f ON f.user_id = u.user_id AND f.name = 'first_order_month'
LEFT JOIN (SELECT user_id, count(*) FILTER (WHERE name = 'order_cancelled') AS cancelled,
                  count(*) FILTER (WHERE name = 'order_placed' AND items > 20) AS varied,
                  count(*) FILTER (WHERE name = 'fee_charged') AS fees FROM e GROUP BY user_id) n ON n.user_id = u.user_id
LEFT JOIN (SELECT user_id, sum(CAST(properties->>'$.units' AS BIGINT)) AS units FROM 'events/*.parquet'
           WHERE event_name = 'order_placed' GROUP BY user_id) o ON o.user_id = u.user_id
WHERE (u.account_type = 'domestic' OR coalesce(c.value IN ('Germany', 'France'), false))
  AND NOT (coalesce(f.value = '2010-12', false)
           AND (coalesce(n.cancelled, 0) > 0 OR coalesce(o.units, 0) < 100))
  AND (u.created_at >= getvariable('as_of') - INTERVAL 200 DAY
       OR coalesce(n.varied, 0) >= 2 AND coalesce(n.fees, 0) = 0);
