//! What the passing of time alone can move.

use crowdset_query::{DriftEdge, Segment};
use crowdset_testkit::{Data, WorldCatalog};

fn shifts(text: &str) -> Vec<i64> {
    let segment: Segment = text.parse().expect("a segment");
    segment
        .drifts(&WorldCatalog::new(&Data::default()))
        .into_iter()
        .map(|drift| match drift.edge {
            DriftEdge::Shift(by) => by,
            DriftEdge::Slices { shift, length } => shift + 1_000_000 * length,
            DriftEdge::Calendar { after, .. } => -i64::from(after),
            DriftEdge::Beginnings { count, .. } => -1_000 * i64::from(count),
        })
        .collect()
}

#[test]
fn what_never_moves_has_no_drift() {
    assert!(shifts("user_id = 'x' or not everyone").is_empty());
}

#[test]
fn windows_drift_at_their_edges() {
    assert_eq!(shifts("did(a)"), [0]);
    assert_eq!(shifts("count(a, last 2 seconds) > 1"), [0, 2_000]);
    assert_eq!(
        shifts("did(a, between 3 seconds ago and 1 seconds ago)"),
        [0, 3_000, 1_000]
    );
    assert_eq!(shifts("did(a, from '2026-01-01' to '2026-02-01')"), [0]);
    assert_eq!(
        shifts("did(a, after last(b, last 1 seconds))"),
        [0, 0, 1_000]
    );
    assert_eq!(
        shifts("periods(a, of 3 seconds, last 9 seconds) > 1"),
        [0, 9_000, 3_000_000_000, 3_000_009_000]
    );
    assert_eq!(
        shifts("restarted(a, in 2 seconds, after gap of 5 seconds)"),
        [0, 2_000, 7_000]
    );
    assert_eq!(shifts("did(a where x < 5 seconds ago)"), [5_000, 0]);
}

#[test]
fn calendars_drift_from_period_to_period() {
    assert_eq!(shifts("did(a, this month)"), [0, -1]);
    assert_eq!(shifts("did(a, last 3 calendar weeks)"), [0, -1, -4]);
    // Slices go back from the evaluation, or from the end of the last whole period.
    assert_eq!(
        shifts("periods(a, of 3 seconds, this month) > 1"),
        [0, -1, 3_000_000_000]
    );
    assert_eq!(
        shifts("periods(a, of 3 seconds, last 3 calendar weeks) > 1"),
        [0, -1, -4, -4_000]
    );
    assert_eq!(shifts("did(a, on '2026-01-05' in 'Asia/Tokyo')"), [0]);
    // Also the two instants that are named: before the day nothing can have been.
    assert_eq!(shifts("had(x = 'y', on '2026-01-05')"), [0, 0, 0]);
    assert_eq!(shifts("held(x = 'y', for 2 seconds)"), [0, 2_000]);
    assert_eq!(shifts("changed(x, yesterday)"), [0, -1, -2]);
    assert_eq!(shifts("bucket('s') < 2 * 3"), [] as [i64; 0]);
    // What grows is looked for at every instant.
    assert_eq!(shifts("2 * days_since_last(a) > 1"), [0, 1]);
    assert_eq!(shifts("days_since_last(a) > 1"), [0, 1]);
}

#[test]
fn a_rank_drifts_with_everybody() {
    let segment: Segment = "top(3, count(a, last 1 days)) and did(a)"
        .parse()
        .expect("a segment");
    let everybodys: Vec<bool> = segment
        .drifts(&WorldCatalog::new(&Data::default()))
        .iter()
        .map(|drift| drift.is_everybodys)
        .collect();
    assert_eq!(everybodys, [true, true, false]);
    // All age alike, also counted the other way round; a calculated number is another matter.
    assert_eq!(shifts("top(3, -days_since_last(a))"), [0]);
    assert_eq!(shifts("top(3, days_since_last(a) * count(a))"), [0, 1]);
}
