//! Times the questions with criterion: `cargo bench -p crowdset-benches`.
//!
//! `CROWDSET_BENCH_STORE` names a store made from generated tables; without it a small one is made.

use std::hint::black_box;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use crowdset::Engine;
use crowdset_benches::{member, questions, sample};

fn ask(criterion: &mut Criterion) {
    let sample = sample().expect("the data to measure");
    let engine = Engine::open_read_only(sample.path()).expect("a store");
    let snapshot = engine.snapshot();
    let user = member(&snapshot).expect("a user to ask about");

    let mut group = criterion.benchmark_group("questions");
    // Questions differ by four orders of magnitude; flat sampling keeps the slow ones short.
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    for question in questions() {
        // Right before fast: an answer twice the same, and the data touched before the clock runs.
        let first = question.ask(&snapshot, &user).expect("an answer");
        assert_eq!(
            first,
            question.ask(&snapshot, &user).expect("an answer"),
            "{}",
            question.id
        );
        group.bench_function(question.id, |bencher| {
            bencher.iter(|| black_box(question.ask(&snapshot, &user)));
        });
    }
    group.finish();
}

criterion_group!(benches, ask);
criterion_main!(benches);
