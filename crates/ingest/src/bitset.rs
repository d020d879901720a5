//! One bit per row.

/// A set of row numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowSet(Vec<u64>);

impl RowSet {
    pub(crate) fn insert(&mut self, row: u64) {
        let word = (row / 64) as usize;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (row % 64);
    }

    pub(crate) fn contains(&self, row: u64) -> bool {
        self.0
            .get((row / 64) as usize)
            .is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Whether any of the rows `from..to` is in the set.
    pub(crate) fn any_in(&self, from: u64, to: u64) -> bool {
        let mut row = from;
        while row < to {
            let Some(word) = self.0.get((row / 64) as usize) else {
                return false;
            };
            let end = to.min(row / 64 * 64 + 64);
            let above = word >> (row % 64);
            if above != 0 && u64::from(above.trailing_zeros()) < end - row {
                return true;
            }
            row = end;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_exact_edges() {
        let mut set = RowSet::default();
        for row in [0, 63, 64, 200] {
            set.insert(row);
        }
        assert!(set.contains(63) && set.contains(64) && !set.contains(65) && !set.contains(9_999));
        for (from, to, expected) in [
            (0, 1, true),
            (1, 63, false),
            (1, 64, true),
            (64, 65, true),
            (65, 200, false),
            (65, 201, true),
            (201, 9_999, false),
        ] {
            assert_eq!(set.any_in(from, to), expected, "{from}..{to}");
        }
    }
}
