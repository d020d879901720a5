//! `user_properties.parquet`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};

use crate::calendar::HOUR_MS;
use crate::distribution::Weighted;
use crate::error::GenerateError;
use crate::population::{Population, UserIds};
use crate::random::{Purpose, Random};
use crate::table::{BATCH_ROWS, TableFile, batch, column, instant};
use crate::vocabulary::{
    COMPANY_SIZES, COUNTRIES, INDUSTRIES, LANGUAGES, LIFECYCLE_STAGES, features,
};

/// Share of users whose lifecycle stage has a history of two values.
const SHARE_WITH_HISTORY: f64 = 0.1;
/// Rows a user has at most.
const ROWS_PER_USER: usize = 7;

/// Writes the table. Returns (rows, bytes).
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
) -> Result<(u64, u64), GenerateError> {
    let mut rows = Rows::new();
    let mut file = TableFile::create(path, rows.schema.clone(), &[])?;
    let ids = UserIds::new(seed);
    let features = features();
    let industries = Weighted::zipf(INDUSTRIES.len(), 0.7);
    let sizes = Weighted::new(&COMPANY_SIZES.map(|(_, weight)| weight));
    let countries = Weighted::zipf(COUNTRIES.len(), 1.1);
    let languages = Weighted::zipf(LANGUAGES.len(), 1.1);
    let seen = Weighted::zipf(features.len(), 0.9);
    let stages = Weighted::new(&LIFECYCLE_STAGES.map(|(_, weight)| weight));

    let mut id = String::new();
    for user in 0..population.len() {
        let random = &mut Random::new(seed, Purpose::Properties, user.into());
        ids.write(user, &mut id);
        let created = population.created_ms(user);
        let end = population.end_ms();
        let between = |from: i64, to: i64, random: &mut Random| {
            from + random.below((to - from) as u64) as i64
        };

        // What is asked for on arrival is known within the hour.
        let signed_up = between(created, end.min(created + HOUR_MS), random);
        rows.push(
            &id,
            "industry",
            INDUSTRIES[industries.draw(random)],
            signed_up,
        );
        rows.push(
            &id,
            "company_size",
            COMPANY_SIZES[sizes.draw(random)].0,
            signed_up,
        );
        rows.push(&id, "country", COUNTRIES[countries.draw(random)], signed_up);
        rows.push(
            &id,
            "language",
            LANGUAGES[languages.draw(random)],
            signed_up,
        );
        let latest = between(created.max(population.start_ms()), end, random);
        rows.push(
            &id,
            "last_seen_feature",
            &features[seen.draw(random)],
            latest,
        );

        let stage = stages.draw(random);
        let since = between(created, end, random);
        if random.chance(SHARE_WITH_HISTORY) {
            let others = LIFECYCLE_STAGES.len();
            let older = (stage + 1 + random.below(others as u64 - 1) as usize) % others;
            let before = between(created, since.max(created + 1), random);
            rows.push(&id, "lifecycle_stage", LIFECYCLE_STAGES[older].0, before);
        }
        rows.push(&id, "lifecycle_stage", LIFECYCLE_STAGES[stage].0, since);

        if rows.len() + ROWS_PER_USER > BATCH_ROWS {
            file.write(&rows.take())?;
        }
    }
    file.write(&rows.take())?;
    file.finish()
}

/// Rows on their way into a batch. Ids count up from 1.
struct Rows {
    schema: SchemaRef,
    last_id: i64,
    property_id: Int64Builder,
    user_id: StringBuilder,
    name: StringBuilder,
    value: StringBuilder,
    updated_at: TimestampMillisecondBuilder,
}

impl Rows {
    fn new() -> Self {
        let schema = Arc::new(Schema::new(vec![
            column("property_id", DataType::Int64),
            column("user_id", DataType::Utf8),
            column("property_name", DataType::Utf8),
            column("property_value", DataType::Utf8),
            column("updated_at", instant()),
        ]));
        Self {
            schema,
            last_id: 0,
            property_id: Int64Builder::with_capacity(BATCH_ROWS),
            user_id: StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 36),
            name: StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 14),
            value: StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 10),
            updated_at: TimestampMillisecondBuilder::with_capacity(BATCH_ROWS),
        }
    }

    fn len(&self) -> usize {
        self.updated_at.values_slice().len()
    }

    fn push(&mut self, user_id: &str, name: &str, value: &str, updated_ms: i64) {
        self.last_id += 1;
        self.property_id.append_value(self.last_id);
        self.user_id.append_value(user_id);
        self.name.append_value(name);
        self.value.append_value(value);
        self.updated_at.append_value(updated_ms);
    }

    fn take(&mut self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.property_id.finish()),
            Arc::new(self.user_id.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.updated_at.finish().with_timezone("UTC")),
        ];
        batch(&self.schema, columns)
    }
}
