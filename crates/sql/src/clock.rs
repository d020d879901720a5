//! Clocks and calendars: what an instant is where somebody lives.
//!
//! Engines know zones from databases of their own, of other years than ours, or not at all. So the
//! offsets that hold while there are events are written into the statement.

use crate::Refusal;
use crate::scope::Scope;
use crate::writer::Writer;
use crowdset_query::{PeriodUnit, Span, ZoneOffset, zone_offsets};
use crowdset_types::TimestampMillis;

const DAY_MS: f64 = 8.64e7;

impl Writer<'_> {
    /// The columns of `crowdset_events` with the clocks of a zone.
    pub(crate) fn clock_columns(&self, number: usize) -> [String; 2] {
        let (zone, since) = &self.clocks[number];
        let from = since.map_or(TimestampMillis::MIN, TimestampMillis);
        let offsets = zone_offsets(zone, from, self.as_of).unwrap_or_default();
        let clock = offset_at(&offsets, |offset| offset.clock);
        let day = offset_at(&offsets, |offset| offset.day);
        let number = number + 1;
        [
            format!("r.at_ms + {clock} AS clock{number}_ms"),
            format!("r.at_ms + {day} AS clock{number}_day_ms"),
        ]
    }

    /// What the clocks of a zone show for the instant of a row, and what they would show if days
    /// never began twice; both as milliseconds since 1970 began there.
    fn clock(
        &mut self,
        scope: &Scope,
        zone: Option<&str>,
        span: Span,
    ) -> Result<(String, String), Refusal> {
        let row = &scope.row;
        let Some(zone) = zone.filter(|zone| *zone != "UTC") else {
            let at = format!("{row}.at_ms");
            return Ok((at.clone(), at));
        };
        if zone_offsets(zone, self.as_of, self.as_of).is_none() {
            return Err(self.cannot("a zone that there is not", span));
        }
        let known = self.clocks.iter().position(|(known, _)| known == zone);
        let number = known.unwrap_or_else(|| {
            self.clocks.push((zone.to_owned(), scope.since));
            self.clocks.len() - 1
        });
        let since = &mut self.clocks[number].1;
        *since = since.zip(scope.since).map(|(one, other)| one.min(other));
        let clock = format!("{row}.clock{}", number + 1);
        Ok((format!("{clock}_ms"), format!("{clock}_day_ms")))
    }

    /// 0 to 23.
    pub(crate) fn hour(
        &mut self,
        scope: &Scope,
        zone: Option<&str>,
        span: Span,
    ) -> Result<String, Refusal> {
        let (shown, _) = self.clock(scope, zone, span)?;
        let (day, hour) = (self.dialect.double(DAY_MS), self.dialect.double(3.6e6));
        Ok(format!(
            "FLOOR(({shown} - FLOOR({shown} / {day}) * {day}) / {hour})"
        ))
    }

    /// 1 is Monday.
    pub(crate) fn weekday(
        &mut self,
        scope: &Scope,
        zone: Option<&str>,
        span: Span,
    ) -> Result<String, Refusal> {
        let (shown, _) = self.clock(scope, zone, span)?;
        let day = format!("FLOOR({shown} / {})", self.dialect.double(DAY_MS));
        let [one, three, seven] = [1.0, 3.0, 7.0].map(|number| self.dialect.double(number));
        // The first day of the epoch was a Thursday.
        Ok(format!(
            "({day} + {three} - FLOOR(({day} + {three}) / {seven}) * {seven} + {one})"
        ))
    }

    /// A number for the period that the instant of a row lies in.
    pub(crate) fn period(
        &mut self,
        scope: &Scope,
        unit: PeriodUnit,
        zone: Option<&str>,
        span: Span,
    ) -> Result<String, Refusal> {
        let (_, shown) = self.clock(scope, zone, span)?;
        let day = format!("FLOOR({shown} / {})", self.dialect.double(DAY_MS));
        Ok(match unit {
            PeriodUnit::Day => day,
            PeriodUnit::Week => {
                let [three, seven] = [3.0, 7.0].map(|number| self.dialect.double(number));
                format!("FLOOR(({day} + {three}) / {seven})")
            }
            PeriodUnit::Month => self.dialect.month_of_day(&day),
        })
    }
}

fn offset_at(offsets: &[ZoneOffset], of: impl Fn(&ZoneOffset) -> i64) -> String {
    let Some((first, rest)) = offsets.split_first() else {
        return "0".to_owned();
    };
    let mut cases = String::new();
    // The latest first, as most events are late.
    for (place, offset) in rest.iter().enumerate().rev() {
        let before = &offsets[place];
        if of(before) != of(offset) {
            cases = format!(
                "{cases} WHEN r.at_ms >= {} THEN {}",
                offset.since.0,
                of(offset)
            );
        }
    }
    if cases.is_empty() {
        of(first).to_string()
    } else {
        format!("CASE{cases} ELSE {} END", of(first))
    }
}
