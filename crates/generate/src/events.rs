//! `events/YYYY-MM-DD.parquet`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};

use crate::calendar::{DAY_MS, HOUR_MS, is_weekend};
use crate::distribution::Weighted;
use crate::error::GenerateError;
use crate::population::{EventIds, Population, UserIds};
use crate::random::{Purpose, Random};
use crate::table::{BATCH_ROWS, TableFile, batch, column, instant};
use crate::vocabulary::{
    COUPONS, CURRENCIES, DEVICES, Kind, PLANS, REPORT_TYPES, SIGN_IN_METHODS, SOURCES, event_name,
    kinds, urls,
};

/// Exponent of the event names and of the values that are many.
const ZIPF: f64 = 1.1;
/// How many products there are.
const PRODUCTS: usize = 5_000;
/// How many webinars there are.
const WEBINARS: usize = 50;
/// Share of purchases with a coupon.
const SHARE_WITH_COUPON: f64 = 0.15;
/// How busy each hour of a day (UTC) is, in relation to the others.
const HOURS: [u64; 24] = [
    3, 2, 2, 2, 2, 3, 5, 8, 11, 13, 14, 14, 13, 14, 15, 15, 14, 12, 10, 9, 8, 7, 5, 4,
];
/// How busy a day of the week and of the weekend is.
const WEEKDAY: u64 = 10;
const WEEKEND: u64 = 6;

/// How many events fall into each hour of the period, to the event: the shares are rounded so that
/// they add up to the total.
pub(crate) struct Schedule {
    /// Number of the first event of each hour, and the total as the last entry.
    starts: Vec<u64>,
    start_ms: i64,
}

impl Schedule {
    /// Spreads `events` over `days` days from `start_ms`, which must be a midnight.
    pub(crate) fn new(events: u64, start_ms: i64, days: u32) -> Self {
        let mut weights = vec![0u64];
        let first = start_ms.div_euclid(DAY_MS);
        for day in first..first + i64::from(days) {
            let busy = if is_weekend(day) { WEEKEND } else { WEEKDAY };
            for hour in HOURS {
                weights.push(weights[weights.len() - 1] + hour * busy);
            }
        }
        let total = u128::from(weights[weights.len() - 1]);
        let starts = weights
            .iter()
            .map(|&weight| (u128::from(events) * u128::from(weight) / total) as u64)
            .collect();
        Self { starts, start_ms }
    }

    /// Numbers of the events of an hour of the period.
    fn hour(&self, hour: usize) -> std::ops::Range<u64> {
        self.starts[hour]..self.starts[hour + 1]
    }
}

/// What all days share: distributions and ready-made text.
pub(crate) struct EventWriter<'a> {
    seed: u64,
    population: &'a Population,
    schedule: &'a Schedule,
    schema: SchemaRef,
    user_ids: UserIds,
    event_ids: EventIds,
    kinds: Vec<(Kind, String)>,
    kind: Weighted,
    urls: Vec<String>,
    url: Weighted,
    product: Weighted,
    source: Weighted,
    currency: Weighted,
    report: Weighted,
    plan: Weighted,
    webinar: Weighted,
    method: Weighted,
    device: Weighted,
}

impl<'a> EventWriter<'a> {
    pub(crate) fn new(seed: u64, population: &'a Population, schedule: &'a Schedule) -> Self {
        let schema = Arc::new(Schema::new(vec![
            column("event_id", DataType::Utf8),
            column("user_id", DataType::Utf8),
            column("event_name", DataType::Utf8),
            column("timestamp", instant()),
            column("properties", DataType::Utf8),
        ]));
        let kinds: Vec<_> = kinds()
            .into_iter()
            .map(|kind| (kind, event_name(kind)))
            .collect();
        let urls = urls();
        Self {
            seed,
            population,
            schedule,
            schema,
            user_ids: UserIds::new(seed),
            event_ids: EventIds::new(seed),
            kind: Weighted::zipf(kinds.len(), ZIPF),
            kinds,
            url: Weighted::zipf(urls.len(), ZIPF),
            urls,
            product: Weighted::zipf(PRODUCTS, ZIPF),
            source: Weighted::zipf(SOURCES.len(), ZIPF),
            currency: Weighted::new(&CURRENCIES.map(|(_, weight)| weight)),
            report: Weighted::zipf(REPORT_TYPES.len(), ZIPF),
            plan: Weighted::new(&PLANS.map(|(_, weight)| weight)),
            webinar: Weighted::zipf(WEBINARS, 0.7),
            method: Weighted::new(&SIGN_IN_METHODS.map(|(_, weight)| weight)),
            device: Weighted::new(&DEVICES.map(|(_, weight)| weight)),
        }
    }

    /// Writes one day's file, rows in time order; `advance` hears the size of each batch.
    /// Returns (rows, bytes).
    ///
    /// Memory: one hour's instants, one batch, and the writer's row group.
    pub(crate) fn write_day(
        &self,
        path: &Path,
        day: u32,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<(u64, u64), GenerateError> {
        let mut file = TableFile::create(path, self.schema.clone(), &["event_id", "properties"])?;
        let mut rows = Rows::new();
        let mut offsets: Vec<u32> = Vec::new();
        for hour in day as usize * HOURS.len()..(day as usize + 1) * HOURS.len() {
            let numbers = self.schedule.hour(hour);
            let random = &mut Random::new(self.seed, Purpose::Events, hour as u64);
            offsets.clear();
            offsets.extend(numbers.clone().map(|_| random.below(HOUR_MS as u64) as u32));
            offsets.sort_unstable();
            let start_ms = self.schedule.start_ms + hour as i64 * HOUR_MS;
            for (number, &offset) in numbers.zip(&offsets) {
                self.push(&mut rows, number, start_ms + i64::from(offset), random);
                if rows.len == BATCH_ROWS {
                    advance(rows.len as u64);
                    file.write(&rows.take(&self.schema))?;
                }
            }
        }
        advance(rows.len as u64);
        file.write(&rows.take(&self.schema))?;
        file.finish()
    }

    /// One event.
    fn push(&self, rows: &mut Rows, number: u64, at_ms: i64, random: &mut Random) {
        let user = self.population.draw(random, at_ms);
        let (kind, name) = &self.kinds[self.kind.draw(random)];
        let text = &mut rows.text;
        self.event_ids.write(number, at_ms, text);
        rows.event_id.append_value(&text);
        self.user_ids.write(user, text);
        rows.user_id.append_value(&text);
        rows.event_name.append_value(name);
        rows.timestamp.append_value(at_ms);
        text.clear();
        self.write_properties(*kind, random, text);
        rows.properties.append_value(&text);
        rows.len += 1;
    }

    /// The event's properties as compact JSON. No value needs an escape.
    fn write_properties(&self, kind: Kind, random: &mut Random, json: &mut String) {
        match kind {
            Kind::PageViewed => {
                push_text(json, "{\"url\":\"", &self.urls[self.url.draw(random)]);
                self.push_source(random, json);
            }
            Kind::ProductViewed => {
                self.push_product(random, json);
                self.push_source(random, json);
            }
            Kind::ItemAddedToCart => {
                self.push_product(random, json);
                push_cents(json, ",\"price\":", random.lognormal(2_500.0, 0.8));
            }
            Kind::Purchase => {
                self.push_product(random, json);
                push_cents(json, ",\"amount\":", random.lognormal(4_000.0, 1.0));
                push_text(
                    json,
                    ",\"currency\":\"",
                    CURRENCIES[self.currency.draw(random)].0,
                );
                if random.chance(SHARE_WITH_COUPON) {
                    let coupon = COUPONS[random.below(COUPONS.len() as u64) as usize];
                    push_text(json, ",\"coupon\":\"", coupon);
                }
            }
            Kind::ReportGenerated => {
                push_text(
                    json,
                    "{\"report_type\":\"",
                    REPORT_TYPES[self.report.draw(random)],
                );
                push_integer(
                    json,
                    ",\"duration_ms\":",
                    random.lognormal(900.0, 0.9) as u64,
                );
            }
            Kind::TrialStarted => {
                push_text(json, "{\"plan\":\"", PLANS[self.plan.draw(random)].0);
            }
            Kind::WebinarAttended => {
                json.push_str("{\"webinar_id\":\"w");
                push_digits(json, self.webinar.draw(random) as u64 + 1, 2);
                json.push('"');
                push_integer(json, ",\"minutes\":", 1 + random.below(90));
            }
            Kind::SignedIn => {
                push_text(
                    json,
                    "{\"method\":\"",
                    SIGN_IN_METHODS[self.method.draw(random)].0,
                );
                push_text(json, ",\"device\":\"", DEVICES[self.device.draw(random)].0);
            }
            Kind::Feature(_) => {
                push_text(json, "{\"source\":\"", SOURCES[self.source.draw(random)]);
                push_integer(json, ",\"value\":", 1 + random.below(100));
            }
        }
        json.push('}');
    }

    fn push_product(&self, random: &mut Random, json: &mut String) {
        json.push_str("{\"product_id\":\"p");
        push_digits(json, self.product.draw(random) as u64 + 1, 4);
        json.push('"');
    }

    fn push_source(&self, random: &mut Random, json: &mut String) {
        push_text(json, ",\"source\":\"", SOURCES[self.source.draw(random)]);
    }
}

/// Rows on their way into a batch.
struct Rows {
    len: usize,
    text: String,
    event_id: StringBuilder,
    user_id: StringBuilder,
    event_name: StringBuilder,
    timestamp: TimestampMillisecondBuilder,
    properties: StringBuilder,
}

impl Rows {
    fn new() -> Self {
        Self {
            len: 0,
            text: String::new(),
            event_id: StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 36),
            user_id: StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 36),
            event_name: StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 15),
            timestamp: TimestampMillisecondBuilder::with_capacity(BATCH_ROWS),
            properties: StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 48),
        }
    }

    fn take(&mut self, schema: &SchemaRef) -> RecordBatch {
        self.len = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.event_id.finish()),
            Arc::new(self.user_id.finish()),
            Arc::new(self.event_name.finish()),
            Arc::new(self.timestamp.finish().with_timezone("UTC")),
            Arc::new(self.properties.finish()),
        ];
        batch(schema, columns)
    }
}

/// A key up to the quote that opens its text, the text, and the closing quote.
fn push_text(json: &mut String, key: &str, text: &str) {
    json.push_str(key);
    json.push_str(text);
    json.push('"');
}

/// A key and a whole number.
fn push_integer(json: &mut String, key: &str, number: u64) {
    json.push_str(key);
    push_digits(json, number, 1);
}

/// A key and an amount of at least one cent, always with two decimals.
fn push_cents(json: &mut String, key: &str, cents: f64) {
    let cents = (cents as u64).max(1);
    json.push_str(key);
    push_digits(json, cents / 100, 1);
    json.push('.');
    push_digits(json, cents % 100, 2);
}

/// A number in decimal, padded with zeros to at least `width` (at most 20) digits.
fn push_digits(text: &mut String, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while number > 0 || first > digits.len() - width {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text.extend(digits[first..].iter().map(|&digit| char::from(digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_format() {
        for (number, width) in [(0, 1), (7, 2), (42, 1), (5_000, 4), (12, 4), (u64::MAX, 1)] {
            let mut text = String::from("x");
            push_digits(&mut text, number, width);
            assert_eq!(text, format!("x{number:0width$}"));
        }
    }

    #[test]
    fn a_schedule_adds_up_and_follows_day_and_night() {
        // 2026-09-25 is a Friday.
        let start_ms = 20_721 * DAY_MS;
        for events in [0, 1, 23, 24, 1_000_003] {
            let schedule = Schedule::new(events, start_ms, 3);
            assert_eq!(schedule.starts.len(), 73);
            assert_eq!(schedule.starts[0], 0);
            assert_eq!(schedule.starts[72], events);
            assert!(schedule.starts.is_sorted());
        }
        let schedule = Schedule::new(1_000_000, start_ms, 3);
        let count = |hour| schedule.hour(hour).count();
        assert!(count(14) > 4 * count(3));
        let day = |day: usize| (day * 24..day * 24 + 24).map(count).sum::<usize>();
        assert!(day(0) * 6 / 10 <= day(1) + 1 && day(1) < day(0) * 62 / 100);
    }
}
