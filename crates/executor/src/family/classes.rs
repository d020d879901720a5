//! Values of one property told apart by which filters they pass: two values that pass the same ones
//! belong to one class.

use super::{Member, Stops};
use crate::events::{self, Events};
use crate::filter::CodeTest;
use crate::kernel::{BLOCK, Code, Machine};
use crate::pass::ChunkPass;
use crate::widths::with_codes;
use crowdset_storage::{Bits, Codes, Stream};
use crowdset_types::TimeRange;
use hashbrown::HashMap;
use std::ops::Range;

/// One filter.
pub(super) struct Candidate<'m, 'a> {
    /// The number of its group.
    pub(super) group: usize,
    pub(super) members: &'m [Member<'a>],
    pub(super) events: Events<'a>,
    pub(super) stops: Stops,
}

/// The rows of all filters.
pub(super) struct Classified<'a> {
    /// By partition, ascending.
    pub(super) sources: Vec<Source<'a>>,
    /// For each filter, the classes that pass.
    pub(super) of_filters: Vec<Vec<u16>>,
    /// How many classes there are; 0 is that of values nobody asks for.
    pub(super) len: usize,
}

/// The rows of one stream that some filter may count.
pub(super) struct Source<'a> {
    pub(super) stream: &'a Stream,
    pub(super) range: TimeRange,
    /// Rows without a value have any code.
    presence: Option<&'a Bits>,
    codes: &'a Codes,
    classes: Classes,
}

/// The class of each code.
struct Classes {
    /// Of all codes that there may be, if they are narrow.
    table: Vec<u16>,
    /// Where other classes begin, ascending, and which; used without a table.
    cuts: Vec<u64>,
    of_cuts: Vec<u16>,
}

/// The class of each set of filters, so many words each.
struct Known {
    words: usize,
    classes: HashMap<Vec<u64>, u16>,
}

impl<'a> Classified<'a> {
    /// `None` if classes are too many.
    pub(super) fn bind(filters: &[&Candidate<'_, 'a>]) -> Option<Self> {
        let partitions = filters.iter().flat_map(|filter| {
            let sources = filter.events.sources.iter();
            sources.map(|source| source.partition)
        });
        let mut partitions: Vec<usize> = partitions.collect();
        partitions.sort_unstable();
        partitions.dedup();
        let mut known = Known::new(filters.len());
        let sources = partitions
            .into_iter()
            .map(|partition| Source::bind(filters, partition, &mut known));
        Some(Self {
            sources: sources.collect::<Option<_>>()?,
            of_filters: known.of_filters(filters.len()),
            len: known.classes.len(),
        })
    }

    /// About how many rows there are, over all users.
    pub(super) fn cost_rows(&self) -> u64 {
        self.sources.iter().map(Source::cost_rows).sum()
    }
}

impl<'a> Source<'a> {
    fn bind(filters: &[&Candidate<'_, 'a>], partition: usize, known: &mut Known) -> Option<Self> {
        let tests: Vec<Option<(&events::Source<'a>, CodeTest<'a>)>> = filters
            .iter()
            .map(|filter| {
                let mut sources = filter.events.sources.iter();
                let source = sources.find(|source| source.partition == partition)?;
                Some((source, source.filter.codes()?))
            })
            .collect();
        let (first, test) = tests.iter().flatten().next()?;
        let ranges = tests.iter().flatten().map(|(source, _)| source.range);
        let range = ranges.fold(first.range, |hull, range| {
            TimeRange::new(hull.from.min(range.from), hull.to.max(range.to))
        });
        // The codes of each test, half-open.
        let spans = tests.iter().map(|test| {
            let ranges = test.iter().flat_map(|(_, test)| &test.ranges);
            let spans = ranges.map(|&(low, high)| (low, high.saturating_add(1)));
            spans.collect()
        });
        let spans: Vec<Vec<(u64, u64)>> = spans.collect();
        Some(Self {
            stream: first.stream,
            range,
            presence: test.presence,
            codes: test.codes,
            classes: Classes::new(&spans, test.codes, known)?,
        })
    }

    fn cost_rows(&self) -> u64 {
        let (range, span) = (self.range, self.stream.span());
        let share =
            (range.to.0 - range.from.0) as f64 / ((span.to.0 - span.from.0) as f64).max(1.0);
        (self.stream.rows() as f64 * share) as u64
    }

    /// Notes that so many rows are read.
    pub(super) fn read(&self, pass: &mut ChunkPass<'_>, rows: usize) {
        pass.tally.rows += rows as u64;
        pass.tally.bytes += rows as u64 * (2 + self.codes.width() as u64);
    }

    /// Adds the user of each row to the set of its class.
    pub(super) fn set_users(&self, machine: Machine, rows: Range<usize>, sets: &mut [u64]) {
        let users = &self.stream.users()[rows.clone()];
        if let (Some(table), None) = (self.classes.table(), self.presence) {
            with_codes!(self.codes, codes => {
                machine.set_users_by_code(users, &codes[rows], table, sets);
            });
        } else {
            self.in_blocks(rows, |block, classes| {
                machine.set_users_by_class(&users[block], classes, sets);
            });
        }
    }

    /// Counts each row for its class and user, up to 255.
    pub(super) fn count_users(&self, machine: Machine, rows: Range<usize>, counters: &mut [u8]) {
        let users = &self.stream.users()[rows.clone()];
        if let (Some(table), None) = (self.classes.table(), self.presence) {
            with_codes!(self.codes, codes => {
                machine.count_u8_by_code(users, &codes[rows], table, counters);
            });
        } else {
            self.in_blocks(rows, |block, classes| {
                machine.count_u8_by_class(&users[block], classes, counters);
            });
        }
    }

    /// Hands out places of rows among all of them, and their classes.
    fn in_blocks(&self, rows: Range<usize>, mut visit: impl FnMut(Range<usize>, &[u16])) {
        let mut classes = [0; BLOCK];
        for start in rows.clone().step_by(BLOCK) {
            let block = start..rows.end.min(start + BLOCK);
            let classes = &mut classes[..block.len()];
            self.classes(block.clone(), classes);
            visit(block.start - rows.start..block.end - rows.start, classes);
        }
    }

    /// Writes the class of each row.
    pub(super) fn classes(&self, rows: Range<usize>, classes: &mut [u16]) {
        with_codes!(self.codes, codes => self.classes.find(&codes[rows.clone()], classes));
        if let Some(presence) = self.presence {
            for (class, row) in classes.iter_mut().zip(rows) {
                *class *= u16::from(presence.get(row));
            }
        }
    }
}

impl Known {
    fn new(filters: usize) -> Self {
        let words = filters.div_ceil(64);
        let classes = HashMap::from([(vec![0; words], 0)]);
        Self { words, classes }
    }

    /// For each filter, the classes that pass, ascending.
    fn of_filters(&self, filters: usize) -> Vec<Vec<u16>> {
        let mut of_filters: Vec<Vec<u16>> = vec![Vec::new(); filters];
        for (passing, &class) in &self.classes {
            for (filter, classes) in of_filters.iter_mut().enumerate() {
                if passing[filter / 64] >> (filter % 64) & 1 == 1 {
                    classes.push(class);
                }
            }
        }
        for classes in &mut of_filters {
            classes.sort_unstable();
        }
        of_filters
    }
}

impl Classes {
    /// The class of every code; `None` if there are too many.
    fn new(tests: &[Vec<(u64, u64)>], codes: &Codes, known: &mut Known) -> Option<Self> {
        let mut cuts: Vec<u64> = vec![0];
        cuts.extend(tests.iter().flatten().flat_map(|&(low, end)| [low, end]));
        cuts.sort_unstable();
        cuts.dedup();
        let words = known.words;
        let mut passing = vec![0_u64; cuts.len() * words];
        for (test, spans) in tests.iter().enumerate() {
            for &(low, end) in spans {
                let between =
                    cuts.partition_point(|&cut| cut < low)..cuts.partition_point(|&cut| cut < end);
                for cut in between {
                    passing[cut * words + test / 64] |= 1 << (test % 64);
                }
            }
        }
        let mut of_cuts = Vec::with_capacity(cuts.len());
        for passing in passing.chunks_exact(words) {
            let next = u16::try_from(known.classes.len()).ok()?;
            of_cuts.push(*known.classes.entry_ref(passing).or_insert(next));
        }
        let table_len = match codes {
            Codes::U8(_) => 1 << 8,
            Codes::U16(_) => 1 << 16,
            Codes::U32(_) | Codes::U64(_) => 0,
        };
        let mut table = Vec::with_capacity(table_len);
        for (place, &class) in of_cuts.iter().enumerate() {
            let end = cuts.get(place + 1).map(|&end| end as usize);
            table.resize(end.unwrap_or(table_len).min(table_len), class);
        }
        Some(Self {
            table,
            cuts,
            of_cuts,
        })
    }

    fn table(&self) -> Option<&[u16]> {
        (!self.table.is_empty()).then_some(&self.table)
    }

    fn find<T: Code>(&self, codes: &[T], classes: &mut [u16]) {
        // Tables as long as there are codes need no check whether a code is in them.
        if let Some(table) = self.table.as_array::<{ 1 << 8 }>() {
            for (class, code) in classes.iter_mut().zip(codes) {
                *class = table[code.widen() as usize & 0xff];
            }
        } else if let Some(table) = self.table.as_array::<{ 1 << 16 }>() {
            for (class, code) in classes.iter_mut().zip(codes) {
                *class = table[code.widen() as usize & 0xffff];
            }
        } else {
            for (class, code) in classes.iter_mut().zip(codes) {
                let code = code.widen();
                // The first cut is 0.
                *class = self.of_cuts[self.cuts.partition_point(|&cut| cut <= code) - 1];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_say_what_tests_say() {
        let tests = [
            vec![(0, 3), (7, 8)],
            vec![(2, 9)],
            vec![],
            vec![(2, 9), (9, 9)],
            vec![(0, u64::MAX)],
            vec![(70_000, 70_001)],
        ];
        let narrow: Vec<u16> = (0..20).chain([65_535]).collect();
        let wide: Vec<u32> = (0..20).chain([65_535, 70_000, 70_001, u32::MAX]).collect();
        // Classes are the same, whatever the stream.
        let mut known = Known::new(tests.len());
        let all = [Codes::U16(narrow.into()), Codes::U32(wide.into())]
            .map(|codes| (Classes::new(&tests, &codes, &mut known).unwrap(), codes));
        let of_tests = known.of_filters(tests.len());
        for (classes, codes) in all {
            let mut found = vec![9; codes.len()];
            with_codes!(&codes, codes => classes.find(codes, &mut found));
            for (row, class) in found.iter().enumerate() {
                assert!(usize::from(*class) < known.classes.len());
                for (spans, classes) in tests.iter().zip(&of_tests) {
                    let code = codes.get(row);
                    let passes = spans.iter().any(|&(low, end)| (low..end).contains(&code));
                    assert_eq!(classes.contains(class), passes, "{code} in {spans:?}");
                }
            }
        }
    }
}
