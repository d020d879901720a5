//! Which spans of time become partitions.

use crate::survey::{DAY_MILLIS, range_of_days};
use crowdset_types::TimeRange;
use std::collections::BTreeMap;

/// How partitions are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionSizes {
    /// Rows a partition should have at most, if a day does not have more.
    pub rows: u64,
    /// From so many rows on a partition should not be longer than 49 days.
    pub dense_rows: u64,
}

impl Default for PartitionSizes {
    fn default() -> Self {
        Self {
            rows: 32_000_000,
            dense_rows: 1_000_000,
        }
    }
}

impl PartitionSizes {
    /// Days after which times no longer fit 32 bits of milliseconds.
    const SPAN_DAYS: i64 = 49;
}

/// A partition to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionPlan {
    /// Its span, whole days of UTC.
    pub range: TimeRange,
    /// Its rows, those with broken properties included.
    pub rows: u64,
}

/// Cuts days with rows into partitions, ascending. No partition reaches over one of `others`, which
/// stay as they are.
pub(crate) fn plan(
    days: &BTreeMap<i64, u64>,
    others: &[TimeRange],
    sizes: PartitionSizes,
) -> Vec<PartitionPlan> {
    let mut plans: Vec<PartitionPlan> = Vec::new();
    let mut open: Option<(i64, i64, u64)> = None;
    for (&day, &rows) in days.iter().filter(|(_, rows)| **rows > 0) {
        if let Some((first, last, sum)) = open {
            let is_between = |other: &TimeRange| {
                other.from.0 >= (last + 1) * DAY_MILLIS && other.to.0 <= day * DAY_MILLIS
            };
            let too_many = sum + rows > sizes.rows;
            let too_long = day - first >= PartitionSizes::SPAN_DAYS && sum >= sizes.dense_rows;
            if !too_many && !too_long && !others.iter().any(is_between) {
                open = Some((first, day, sum + rows));
                continue;
            }
            plans.push(PartitionPlan {
                range: range_of_days(first, last),
                rows: sum,
            });
        }
        open = Some((day, day, rows));
    }
    plans.extend(open.map(|(first, last, rows)| PartitionPlan {
        range: range_of_days(first, last),
        rows,
    }));
    plans
}

/// Which of the stored partitions (ascending by time) must be written anew together with new rows:
/// those of the same days, and small ones right beside, so that many small loads do not leave many
/// small partitions.
pub(crate) fn to_rewrite(
    stored: &[PartitionPlan],
    days: &BTreeMap<i64, u64>,
    sizes: PartitionSizes,
) -> Vec<bool> {
    let mut rewrite: Vec<bool> = stored
        .iter()
        .map(|partition| {
            let (first, end) = (
                partition.range.from.0.div_euclid(DAY_MILLIS),
                partition.range.to.0.div_euclid(DAY_MILLIS),
            );
            days.range(first..end).any(|(_, rows)| *rows > 0)
        })
        .collect();
    let mut rows: BTreeMap<i64, u64> = days.clone();
    for (partition, _) in stored.iter().zip(&rewrite).filter(|(_, rewrite)| **rewrite) {
        *rows
            .entry(partition.range.from.0.div_euclid(DAY_MILLIS))
            .or_default() += partition.rows;
    }
    let others: Vec<TimeRange> = stored
        .iter()
        .zip(&rewrite)
        .filter(|(_, rewrite)| !**rewrite)
        .map(|(partition, _)| partition.range)
        .collect();
    let planned = plan(&rows, &others, sizes);
    for planned in &planned {
        let before = stored
            .iter()
            .rposition(|partition| partition.range.to <= planned.range.from);
        let after = stored
            .iter()
            .position(|partition| partition.range.from >= planned.range.to);
        for neighbour in [before, after].into_iter().flatten() {
            let partition = &stored[neighbour];
            let days = (planned.range.to.0.max(partition.range.to.0)
                - planned.range.from.0.min(partition.range.from.0))
                / DAY_MILLIS;
            let together = partition.rows + planned.rows;
            let fits = together <= sizes.rows
                && (together < sizes.dense_rows || days <= PartitionSizes::SPAN_DAYS);
            // Rewriting more than a few times what is new would make loads slow.
            if fits && partition.rows <= planned.rows.saturating_mul(4) && !rewrite[neighbour] {
                rewrite[neighbour] = true;
            }
        }
    }
    rewrite
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: PartitionSizes = PartitionSizes {
        rows: 100,
        dense_rows: 20,
    };

    fn planned(days: &[(i64, u64)], others: &[(i64, i64)]) -> Vec<(i64, i64, u64)> {
        let others: Vec<TimeRange> = others
            .iter()
            .map(|(first, last)| range_of_days(*first, *last))
            .collect();
        plan(&days.iter().copied().collect(), &others, SIZES)
            .into_iter()
            .map(|plan| {
                (
                    plan.range.from.0 / DAY_MILLIS,
                    plan.range.to.0 / DAY_MILLIS,
                    plan.rows,
                )
            })
            .collect()
    }

    #[test]
    fn busy_days_are_cut_and_sparse_centuries_are_not() {
        assert_eq!(
            planned(&[(0, 60), (1, 40), (2, 1)], &[]),
            [(0, 2, 100), (2, 3, 1)]
        );
        assert_eq!(
            planned(&[(0, 500), (1, 500)], &[]),
            [(0, 1, 500), (1, 2, 500)]
        );
        let sparse: Vec<(i64, u64)> = (0..19).map(|number| (number * 3_000, 1)).collect();
        assert_eq!(planned(&sparse, &[]), [(0, 54_001, 19)]);
        // Dense ones keep to what 32 bits of milliseconds hold.
        assert_eq!(
            planned(&[(0, 30), (48, 1), (49, 1)], &[]),
            [(0, 49, 31), (49, 50, 1)]
        );
        assert_eq!(planned(&[(-3, 1), (-1, 1)], &[]), [(-3, 0, 2)]);
    }

    #[test]
    fn no_partition_reaches_over_another() {
        assert_eq!(
            planned(&[(0, 1), (9, 1)], &[(3, 5)]),
            [(0, 1, 1), (9, 10, 1)]
        );
        assert_eq!(planned(&[(0, 1), (9, 1)], &[(10, 12)]), [(0, 10, 2)]);
    }

    #[test]
    fn overlapping_and_small_neighbours_are_written_anew() {
        let stored = |first, last, rows| PartitionPlan {
            range: range_of_days(first, last),
            rows,
        };
        let partitions = [
            stored(0, 9, 90),
            stored(10, 19, 30),
            stored(20, 29, 10),
            stored(30, 39, 95),
        ];
        let rewrite =
            |days: &[(i64, u64)]| to_rewrite(&partitions, &days.iter().copied().collect(), SIZES);
        assert_eq!(rewrite(&[(15, 10)]), [false, true, true, false]);
        assert_eq!(rewrite(&[(35, 1)]), [false, false, false, true]);
        assert_eq!(rewrite(&[(40, 1)]), [false, false, false, false]);
        assert_eq!(rewrite(&[]), [false; 4]);
    }
}
