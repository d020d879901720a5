//! What a filter says of rows that do not follow one another: one row for each of many users.

use super::{Filter, PartTest, PartTestKind, RowContext};
use crate::kernel::{BLOCK, Code, Machine};
use crate::widths::with_codes;
use crowdset_storage::Codes;

impl Filter<'_> {
    /// Writes 1 to `mask` for each of `rows` that passes, 0 for the others.
    pub(crate) fn eval_scattered(&self, context: &RowContext<'_>, rows: &[u32], mask: &mut [u8]) {
        for (rows, mask) in rows.chunks(BLOCK).zip(mask.chunks_mut(BLOCK)) {
            self.eval_block(context, rows, mask);
        }
    }

    fn eval_block(&self, context: &RowContext<'_>, rows: &[u32], mask: &mut [u8]) {
        let machine = context.machine;
        let together = |parts: &[Self], mask: &mut [u8], join: fn(Machine, &mut [u8], &[u8])| {
            parts[0].eval_block(context, rows, mask);
            let mut other = [0; BLOCK];
            for part in &parts[1..] {
                let other = &mut other[..mask.len()];
                part.eval_block(context, rows, other);
                join(machine, mask, other);
            }
        };
        match self {
            Self::Always => mask.fill(1),
            Self::Never => mask.fill(0),
            Self::And(parts) => together(parts, mask, |machine, mask, other| {
                machine.and_mask(mask, other);
            }),
            Self::Or(parts) => together(parts, mask, |machine, mask, other| {
                machine.or_mask(mask, other);
            }),
            Self::Not(part) => {
                part.eval_block(context, rows, mask);
                machine.not_mask(mask);
            }
            Self::Column(parts) => {
                mask.fill(0);
                let mut other = [0; BLOCK];
                for part in parts {
                    let other = &mut other[..mask.len()];
                    part.eval_block(machine, rows, other);
                    machine.or_mask(mask, other);
                }
            }
            Self::Times(_) | Self::Clock(_) | Self::Attribute { .. } => {
                for (&row, mask) in rows.iter().zip(mask) {
                    let row = row as usize;
                    self.eval(context, row..row + 1, std::slice::from_mut(mask));
                }
            }
        }
    }
}

impl PartTest<'_> {
    fn eval_block(&self, machine: Machine, rows: &[u32], mask: &mut [u8]) {
        match &self.kind {
            PartTestKind::All => mask.fill(1),
            PartTestKind::Ranges(codes, ranges) => {
                mask.fill(0);
                for &(low, high) in ranges {
                    or_range(codes, rows, low, high, mask);
                }
            }
            PartTestKind::Table(codes, table) => with_codes!(codes, codes => {
                for (&row, mask) in rows.iter().zip(&mut *mask) {
                    let code = codes[row as usize].widen() as usize;
                    *mask = table.get(code).copied().unwrap_or(0);
                }
            }),
            PartTestKind::Bool(..) | PartTestKind::Floats(..) | PartTestKind::Each(..) => {
                for (&row, mask) in rows.iter().zip(mask) {
                    let row = row as usize;
                    self.eval(machine, row..row + 1, std::slice::from_mut(mask));
                }
                return;
            }
        }
        if let Some(bits) = self.presence {
            for (&row, mask) in rows.iter().zip(mask) {
                *mask &= u8::from(bits.get(row as usize));
            }
        }
    }
}

/// `mask |= low <= code <= high`.
fn or_range(codes: &Codes, rows: &[u32], low: u64, high: u64, mask: &mut [u8]) {
    with_codes!(codes, codes => or_range_of(codes, rows, low, high, mask));
}

fn or_range_of<T: Code>(codes: &[T], rows: &[u32], low: u64, high: u64, mask: &mut [u8]) {
    let widest = u64::MAX >> (64 - 8 * size_of::<T>());
    if low > widest {
        return;
    }
    let (low, span) = (T::narrow(low), T::narrow(high.min(widest) - low));
    for (&row, mask) in rows.iter().zip(mask) {
        let code = codes.get(row as usize).copied();
        *mask |= u8::from(code.is_some_and(|code| code.minus(low) <= span));
    }
}
