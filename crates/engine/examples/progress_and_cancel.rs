//! Following a long evaluation and stopping it.
//!
//! Run with `cargo run --release --example progress_and_cancel -- STORE SEGMENT`; STORE may be a
//! folder of tables such as `data/online-retail`.

use crowdset::{AsOf, Control, Engine, EvalOptions, Segment};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [store, segment] = &words[..] else {
        return Err("give two words: STORE SEGMENT".into());
    };
    let segment: Segment = segment.parse()?;
    let engine =
        Engine::options().open_store_or_tables(store, |progress| eprintln!("{progress:?}"))?;
    let snapshot = engine.snapshot();

    // Called once per chunk of 16,384 users, from whichever thread finished it.
    let chunks = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&chunks);
    let control = Control::with_progress(move |done, total| {
        seen.fetch_max(done, Ordering::Relaxed);
        eprintln!("{done} of {total} chunks");
    });
    let options = EvalOptions {
        control,
        ..EvalOptions::default()
    };
    let audience = snapshot.evaluate_with(&segment, AsOf::now(), &options)?;
    println!(
        "{} users, {} chunks followed",
        audience.len(),
        chunks.load(Ordering::Relaxed)
    );

    // Any thread that holds a clone of the control may stop what runs under it: here before it began.
    options.control.cancel();
    match snapshot.evaluate_with(&segment, AsOf::now(), &options) {
        Ok(_) => println!("there was nothing left to stop"),
        Err(error) => println!("stopped: {error}"),
    }
    Ok(())
}
