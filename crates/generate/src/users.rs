//! `users.parquet`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{StringBuilder, TimestampMillisecondBuilder};
use arrow_schema::{DataType, Schema};

use crate::distribution::Weighted;
use crate::error::GenerateError;
use crate::population::{Population, UserIds};
use crate::table::{BATCH_ROWS, TableFile, batch, column, instant};
use crate::vocabulary::{ACCOUNT_TYPES, FIRST_NAMES, LAST_NAMES};

/// Writes the table. Returns (rows, bytes).
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
) -> Result<(u64, u64), GenerateError> {
    let schema = Arc::new(Schema::new(vec![
        column("user_id", DataType::Utf8),
        column("email", DataType::Utf8),
        column("name", DataType::Utf8),
        column("created_at", instant()),
        column("account_type", DataType::Utf8),
    ]));
    let mut file = TableFile::create(path, schema.clone(), &["user_id", "email"])?;
    let ids = UserIds::new(seed);
    let account_types = Weighted::new(&ACCOUNT_TYPES.map(|(_, weight)| weight));

    let (mut id, mut email, mut name) = (String::new(), String::new(), String::new());
    let mut user = 0;
    while user < population.len() {
        let rows = (population.len() - user).min(BATCH_ROWS as u32);
        let mut user_id = StringBuilder::with_capacity(rows as usize, rows as usize * 36);
        let mut emails = StringBuilder::with_capacity(rows as usize, rows as usize * 32);
        let mut names = StringBuilder::with_capacity(rows as usize, rows as usize * 14);
        let mut created_at = TimestampMillisecondBuilder::with_capacity(rows as usize);
        let mut account_type = StringBuilder::with_capacity(rows as usize, rows as usize * 6);
        for user in user..user + rows {
            let mut random = population.row_random(user);
            let first = FIRST_NAMES[random.below(FIRST_NAMES.len() as u64) as usize];
            let last = LAST_NAMES[random.below(LAST_NAMES.len() as u64) as usize];
            ids.write(user, &mut id);
            user_id.append_value(&id);
            email.clear();
            email.extend(first.chars().map(|letter| letter.to_ascii_lowercase()));
            email.push('.');
            email.extend(last.chars().map(|letter| letter.to_ascii_lowercase()));
            // The first group of the id keeps addresses apart that share a name.
            email.push('.');
            email.push_str(&id[..8]);
            email.push_str("@example.com");
            emails.append_value(&email);
            name.clear();
            name.push_str(first);
            name.push(' ');
            name.push_str(last);
            names.append_value(&name);
            created_at.append_value(population.created_ms(user));
            account_type.append_value(ACCOUNT_TYPES[account_types.draw(&mut random)].0);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(user_id.finish()),
            Arc::new(emails.finish()),
            Arc::new(names.finish()),
            Arc::new(created_at.finish().with_timezone("UTC")),
            Arc::new(account_type.finish()),
        ];
        file.write(&batch(&schema, columns))?;
        user += rows;
    }
    file.finish()
}
