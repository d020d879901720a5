//! Different events in order, one for each step: as many rows joined.

use crate::Refusal;
use crate::scope::Scope;
use crate::value::any;
use crate::writer::Writer;
use crowdset_query::{HopTime, Sequence, Span};

impl Writer<'_> {
    pub(crate) fn sequence(&mut self, sequence: &Sequence, span: Span) -> Result<String, Refusal> {
        let table = self.steps_table(sequence)?;
        let later = if sequence.strictly { ">" } else { ">=" };
        let mut whole: Option<Scope> = None;
        let mut rows: Vec<String> = Vec::new();
        for (number, step) in sequence.steps.iter().enumerate() {
            let mut scope = self.event_rows("s");
            if let Some(table) = &table {
                scope = Scope::new(table, scope.row);
            }
            let row = scope.row.clone();
            self.window(&mut scope, &sequence.window, span)?;
            let selected = self.selects(&mut scope, &step.events)?;
            scope.must(selected);
            let Some(mut before) = whole.take() else {
                rows.push(row);
                whole = Some(scope);
                continue;
            };
            let last = &rows[number - 1];
            let first = &rows[0];
            // What is joined to a step stands behind it, before the next one.
            before.joins = format!(
                "{} JOIN {} ON {row}.user_id = {first}.user_id{}",
                before.joins, scope.table, scope.joins
            );
            before.filter.append(&mut scope.filter);
            before.must(format!("{row}.at_ms {later} {last}.at_ms"));
            let hop = format!("{row}.at_ms - {last}.at_ms");
            let (least, most) = match step.hop.time {
                HopTime::Any => (None, None),
                HopTime::Within(most) => (None, Some(most)),
                HopTime::After(least) => (Some(least), None),
                HopTime::Between(least, most) => (Some(least), Some(most)),
            };
            if let Some(least) = least {
                before.must(format!("{hop} >= {}", least.0));
            }
            if let Some(most) = most {
                before.must(format!("{hop} <= {}", most.0));
            }
            if !step.hop.without.is_empty() {
                // So many until just before this step, so many until the one before.
                before.must(format!(
                    "{row}.upto_{number} - {row}.at_{number} <= {last}.upto_{number}"
                ));
            }
            if step.hop.directly {
                before.must(format!(
                    "({row}.place = {last}.place + 1 OR {last}.place = {row}.place + 1)"
                ));
            }
            for other in &rows {
                before.must(format!("{row}.event_id <> {other}.event_id"));
            }
            rows.push(row);
            whole = Some(before);
        }
        let Some(mut whole) = whole else {
            return Ok("FALSE".to_owned());
        };
        if let Some(within) = sequence.within {
            let (first, last) = (&rows[0], &rows[rows.len() - 1]);
            whole.must(format!("{last}.at_ms - {first}.at_ms <= {}", within.0));
        }
        for path in &sequence.same {
            let share = self.share(&rows, path, span)?;
            whole.must(share);
        }
        Ok(format!("u.user_id IN ({})", whole.users()))
    }

    /// The events with their place among the user's, and how many unwanted ones there have been, if
    /// a step asks for that.
    fn steps_table(&mut self, sequence: &Sequence) -> Result<Option<String>, Refusal> {
        let mut scope = self.event_rows("e");
        let row = scope.row.clone();
        let mut columns = Vec::new();
        for (number, step) in sequence.steps.iter().enumerate() {
            if step.hop.without.is_empty() {
                continue;
            }
            let mut unwanted = Vec::new();
            self.is_column = true;
            for selector in &step.hop.without {
                unwanted.push(self.selects(&mut scope, selector)?);
            }
            self.is_column = false;
            let count = format!(
                "SUM(CASE WHEN {} THEN 1 ELSE 0 END) OVER (PARTITION BY {row}.user_id",
                any(unwanted)
            );
            columns.push(format!("{count} ORDER BY {row}.at_ms) AS upto_{number}"));
            columns.push(format!("{count}, {row}.at_ms) AS at_{number}"));
        }
        if sequence.steps.iter().any(|step| step.hop.directly) {
            self.reads_any_event();
            columns.push(format!(
                "ROW_NUMBER() OVER (PARTITION BY {row}.user_id ORDER BY {row}.at_ms, {row}.event_name, {row}.event_id) AS place"
            ));
        }
        if columns.is_empty() {
            return Ok(None);
        }
        let query = format!(
            "SELECT {row}.*, {} FROM {} WHERE {}",
            columns.join(", "),
            scope.from(),
            scope.filter()
        );
        Ok(Some(self.table("crowdset_steps_", &query)))
    }
}
