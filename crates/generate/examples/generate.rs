//! Writes a data set: `cargo run --release -p crowdset-generate --example generate -- DIR USERS EVENTS`.

use std::error::Error;

use crowdset_generate::{GenerateOptions, generate};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .ok_or("usage: generate DIR [USERS EVENTS]")?;
    let mut options = GenerateOptions::new(dir);
    if let Some(users) = arguments.next() {
        options.users = users.parse()?;
    }
    if let Some(events) = arguments.next() {
        options.events = events.parse()?;
    }
    println!("{:#?}", generate(&options)?);
    Ok(())
}
