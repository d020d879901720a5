//! Files into a store, and a count out of it.
//!
//! Run with `cargo run --release --example load_and_count -- STORE FOLDER SEGMENT`, where FOLDER
//! holds `users.parquet`, `events/` and `user_properties.parquet`, for example:
//!
//! ```text
//! cargo run --release --example load_and_count -- store data/online-retail "did(order_placed)"
//! ```

use crowdset::{AsOf, Engine, LoadOptions, Segment, tables_in_folder};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [store, folder, segment] = &words[..] else {
        return Err("give three words: STORE FOLDER SEGMENT".into());
    };
    let segment: Segment = segment.parse()?;
    let tables = tables_in_folder(Path::new(folder)).ok_or("the folder holds no tables")?;

    // Again and again, if you like: events that are stored already are counted and ignored.
    let engine = Engine::open(store)?;
    let report = engine.load(&tables, &LoadOptions::default())?;
    println!(
        "{} events read, {} stored, {} known already",
        report.rows, report.stored, report.duplicates
    );
    drop(engine);

    // What another process would do: open what is there, in milliseconds, and ask.
    let started = Instant::now();
    let engine = Engine::open_read_only(store)?;
    let snapshot = engine.snapshot();
    let audience = snapshot.evaluate(&segment, AsOf::now())?;
    println!(
        "{} of {} users, {:?} after the open",
        audience.len(),
        snapshot.universe_len(),
        started.elapsed()
    );
    for warning in audience.warnings() {
        eprintln!("{}", warning.render(segment.source_text()));
    }
    for id in audience.iter().take(5) {
        println!("  {id}");
    }
    Ok(())
}
