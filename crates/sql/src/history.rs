//! What attributes were.

use crate::Refusal;
use crate::scope::Scope;
use crate::value::{Sides, all, any};
use crate::window::{Bounds, Edge};
use crate::writer::Writer;
use crowdset_query::{
    AttributeOperand, AttributeRef, AttributeTable, CompareOp, Literal, Span, Test, Window,
};
use crowdset_types::DurationMillis;

impl Writer<'_> {
    /// Each value that the user's property had, as rows.
    fn values(&mut self, name: &str) -> (Scope, Sides) {
        self.histories.insert(name.to_owned());
        let row = self.alias("h");
        let mut scope = Scope::new("crowdset_history", row);
        let (row, name) = (scope.row.clone(), self.dialect.text(name));
        scope.must(format!("{row}.property_name = {name}"));
        let value = Sides::of_text(self.dialect, format!("{row}.property_value"));
        (scope, value)
    }

    /// The bounds of the window for rows of the scope, which it must hold an instant for.
    fn open(&mut self, scope: &mut Scope, window: &Window, span: Span) -> Result<Bounds, Refusal> {
        let bounds = self.bounds(scope, window, span)?;
        let open = self.is_open(&bounds);
        scope.must(open);
        Ok(bounds)
    }

    /// The users who had the value of a row at some instant of the window.
    fn meets(&self, scope: &mut Scope, bounds: &Bounds) {
        let row = &scope.row;
        let end = self.end(bounds);
        let mut parts = vec![format!(
            "({row}.since_ms IS NULL OR {row}.since_ms < {end})"
        )];
        if let Some(from) = &bounds.from {
            let from = from.sql();
            parts.push(format!(
                "({row}.until_ms IS NULL OR {row}.until_ms > {from})"
            ));
        }
        scope.must(all(parts));
    }

    /// The users of whom the first instant of the window knows a value, a null one included.
    fn known_at_first(
        &mut self,
        name: &str,
        window: &Window,
        span: Span,
    ) -> Result<String, Refusal> {
        let (mut scope, _) = self.values(name);
        let bounds = self.open(&mut scope, window, span)?;
        let row = scope.row.clone();
        scope.must(match &bounds.from {
            None => format!("{row}.since_ms IS NULL"),
            Some(from) => format!(
                "({row}.since_ms IS NULL OR {row}.since_ms <= {})",
                from.sql()
            ),
        });
        Ok(format!("u.user_id IN ({})", scope.users()))
    }

    /// That the window holds an instant for the user.
    fn has_time(&mut self, window: &Window, span: Span) -> Result<String, Refusal> {
        let row = self.alias("w");
        let mut scope = Scope::of_users(row);
        let bounds = self.open(&mut scope, window, span)?;
        let own = |edge: &Option<Edge>| matches!(edge, Some(Edge::Own(..)));
        if own(&bounds.from) || own(&bounds.to) {
            Ok(format!("u.user_id IN ({})", scope.users()))
        } else {
            Ok(scope.filter())
        }
    }

    pub(crate) fn had(
        &mut self,
        users: &mut Scope,
        operand: &AttributeOperand,
        test: &Test,
        window: &Window,
        span: Span,
    ) -> Result<String, Refusal> {
        let name = &operand.attribute.name;
        if self.table_of(&operand.attribute)? != Some(AttributeTable::Property) {
            // A column of users has always been what it is.
            let is_so = self.now(users, operand, test, span)?;
            return Ok(all(vec![is_so, self.has_time(window, span)?]));
        }
        let (mut scope, value) = self.values(name);
        let bounds = self.open(&mut scope, window, span)?;
        self.meets(&mut scope, &bounds);
        let value = self.cast(value, operand.cast, span)?;
        let holds = self.test(&mut scope, &value, test, span)?;
        scope.must(holds);
        let had = format!("u.user_id IN ({})", scope.users());
        if *test != Test::IsNotSet {
            return Ok(had);
        }
        let known = self.known_at_first(name, window, span)?;
        let unknown = all(vec![self.has_time(window, span)?, format!("NOT ({known})")]);
        Ok(any(vec![had, unknown]))
    }

    pub(crate) fn held(
        &mut self,
        users: &mut Scope,
        operand: &AttributeOperand,
        test: &Test,
        length: DurationMillis,
        span: Span,
    ) -> Result<String, Refusal> {
        let name = &operand.attribute.name;
        if self.table_of(&operand.attribute)? != Some(AttributeTable::Property) {
            return self.now(users, operand, test, span);
        }
        let window = Window::Last(length);
        let (mut scope, value) = self.values(name);
        let bounds = self.open(&mut scope, &window, span)?;
        self.meets(&mut scope, &bounds);
        let value = self.cast(value, operand.cast, span)?;
        let holds = self.test(&mut scope, &value, test, span)?;
        scope.must(format!("NOT ({holds})"));
        let never_broken = format!("NOT (u.user_id IN ({}))", scope.users());
        if *test == Test::IsNotSet {
            return Ok(never_broken);
        }
        let known = self.known_at_first(name, &window, span)?;
        Ok(all(vec![known, never_broken]))
    }

    fn now(
        &mut self,
        users: &mut Scope,
        operand: &AttributeOperand,
        test: &Test,
        span: Span,
    ) -> Result<String, Refusal> {
        let of = self.attribute(users, &operand.attribute)?;
        let of = self.cast(of, operand.cast, span)?;
        self.test(users, &of, test, span)
    }

    pub(crate) fn changed(
        &mut self,
        attribute: &AttributeRef,
        from: Option<&Literal>,
        to: Option<&Literal>,
        window: &Window,
        span: Span,
    ) -> Result<String, Refusal> {
        if self.table_of(attribute)? != Some(AttributeTable::Property) {
            return Ok("FALSE".to_owned());
        }
        let (mut scope, after) = self.values(&attribute.name);
        let row = scope.row.clone();
        let bounds = self.bounds(&mut scope, window, span)?;
        if let Some(from) = &bounds.from {
            scope.must(format!("{row}.since_ms >= {}", from.sql()));
        }
        scope.must(format!("{row}.since_ms < {}", self.end(&bounds)));
        // NULL, and so not selected, where either is missing.
        scope.must(format!("{row}.property_value <> {row}.before_value"));
        let before = Sides::of_text(self.dialect, format!("{row}.before_value"));
        for (value, literal) in [(before, from), (after, to)] {
            if let Some(literal) = literal {
                let test = Test::Compare(CompareOp::Equal, literal.clone());
                let is_so = self.test(&mut scope, &value, &test, span)?;
                scope.must(is_so);
            }
        }
        Ok(format!("u.user_id IN ({})", scope.users()))
    }
}
