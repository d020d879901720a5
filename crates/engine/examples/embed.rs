//! Crowdset inside another program: Arrow batches in, audiences out, on the host's own threads.
//!
//! Run with `cargo run --release --example embed`.

use crowdset::arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
use crowdset::arrow::record_batch::RecordBatch;
use crowdset::{AsOf, Engine, Segment, segment};
use rayon::ThreadPoolBuilder;
use std::error::Error;
use std::sync::Arc;
use std::thread;

const DAY_MS: i64 = 86_400_000;

fn main() -> Result<(), Box<dyn Error>> {
    // The host decides about threads; without a pool, work runs on the one it is called in.
    let pool = Arc::new(ThreadPoolBuilder::new().num_threads(2).build()?);
    let engine = Arc::new(Engine::options().pool(pool).in_memory()?);
    engine.append_users(&users()?)?;
    engine.append(&events(0)?)?;

    // Text, JSON and the builder give the same segment.
    let active: Segment = "count(report_generated, last 7 days) >= 2".parse()?;
    let built = segment::count("report_generated")
        .within(segment::last(segment::days(7)))
        .ge(2);
    assert_eq!(active, Segment::from(built));

    // A snapshot never changes. Readers keep theirs while a writer adds the next day.
    let snapshot = engine.snapshot();
    let writer = {
        let engine = Arc::clone(&engine);
        thread::spawn(move || {
            engine
                .append(&events(1).expect("a batch"))
                .map(|report| report.stored)
        })
    };
    let as_of = AsOf::at_millis(2 * DAY_MS);
    let before = snapshot.evaluate(&active, as_of)?;
    let stored = writer.join().map_err(|_| "the writer panicked")??;
    let after = engine.snapshot().evaluate(&active, as_of)?;

    println!("{stored} events came while the first snapshot was asked");
    println!(
        "before: {} of {} users: {:?}",
        before.len(),
        before.universe_len(),
        before.user_ids()
    );
    println!(
        "after:  {} of {} users: {:?}",
        after.len(),
        after.universe_len(),
        after.user_ids()
    );
    println!(
        "is ada in? {}",
        engine.snapshot().contains(&active, "ada", as_of)?
    );
    Ok(())
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn users() -> Result<RecordBatch, Box<dyn Error>> {
    Ok(RecordBatch::try_from_iter([
        ("user_id", text(&["ada", "bob", "cyd"])),
        ("account_type", text(&["free", "free", "agency"])),
    ])?)
}

/// One report of each of two users a day.
fn events(day: i64) -> Result<RecordBatch, Box<dyn Error>> {
    let ids = [format!("{day}-1"), format!("{day}-2")];
    Ok(RecordBatch::try_from_iter([
        ("event_id", text(&[&ids[0], &ids[1]])),
        ("user_id", text(&["ada", "cyd"])),
        (
            "event_name",
            text(&["report_generated", "report_generated"]),
        ),
        (
            "timestamp",
            Arc::new(TimestampMillisecondArray::from(vec![
                day * DAY_MS,
                day * DAY_MS + 1,
            ])) as ArrayRef,
        ),
        ("properties", text(&[r#"{"pages": 3}"#, r#"{"pages": 12}"#])),
    ])?)
}
