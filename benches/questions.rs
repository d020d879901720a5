//! Times the questions, and single kinds of work, with criterion: `cargo bench -p crowdset-benches`.
//!
//! `CROWDSET_BENCH_STORE` names a store made from generated tables; without it a small one is made.

use std::hint::black_box;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use crowdset::{Engine, EvalOptions, ExecOptions, Segment};
use crowdset_benches::{as_of, member, questions, sample};

/// Segments that do one thing to every row of one event, so that time over rows is the cost of that
/// kind of loop.
const KINDS: [(&str, &str); 10] = [
    ("set a bit", "did(page_viewed)"),
    ("count", "count(page_viewed) >= 20"),
    (
        "equal codes, counted",
        "count(page_viewed where url = '/pricing') >= 3",
    ),
    (
        "range of codes, counted",
        "count(page_viewed where url starts with '/docs/') >= 10",
    ),
    (
        "range of numbers, counted",
        "count(purchase where amount > 100) >= 2",
    ),
    ("sum", "sum(purchase.amount) >= 500"),
    ("distinct", "distinct(product_viewed.product_id) >= 3"),
    ("latest", "last(page_viewed).source = 'email'"),
    ("days", "days(page_viewed) >= 5"),
    (
        "funnel of three",
        "sequence(product_viewed then item_added_to_cart then purchase, within 7 days)",
    ),
];

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

fn rows(criterion: &mut Criterion) {
    let sample = sample().expect("the data to measure");
    let engine = Engine::open_read_only(sample.path()).expect("a store");
    let snapshot = engine.snapshot();
    // One thread and no index: the loop over rows and nothing else.
    let options = EvalOptions {
        execution: ExecOptions {
            parallel: false,
            use_index: false,
            ..ExecOptions::default()
        },
        ..EvalOptions::default()
    };
    let mut group = criterion.benchmark_group("rows");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    for (name, text) in KINDS {
        let segment: Segment = text.parse().expect("a segment");
        let prepared = snapshot
            .prepare_with(&segment, as_of(), &options)
            .expect("a plan");
        let analysis = prepared.analyze().expect("an answer");
        let read = analysis.profile().nodes.iter().map(|node| node.rows).sum();
        group.throughput(Throughput::Elements(read));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(prepared.count())));
    }
    group.finish();
}

criterion_group!(benches, ask, rows);
criterion_main!(benches);
