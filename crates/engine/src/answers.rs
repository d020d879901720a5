//! Answers about several segments, several instants, or the values of an attribute.

use crate::audience::Audience;
use crate::error::EvaluateError;
use crate::segment::AttributeOperand;
use crate::snapshot::{EvalOptions, Prepared, Snapshot};
use crate::{AsOf, Diagnostic, Plan, Segment};
use crowdset_executor as executor;
use crowdset_query::plan_attribute;
use crowdset_types::Value;

/// So many instants of a trend are worked on at once, which bounds the memory for their plans.
const INSTANTS_AT_ONCE: usize = 512;

/// The members of an audience by the value of an attribute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Breakdown {
    /// The instant of segment and values.
    pub as_of: AsOf,
    /// How many members have each value, the largest group first, equal ones by value; `None`, behind
    /// those of its size, is for members without a value. `1` and `1.0` are one value.
    pub groups: Vec<(Option<Value>, u64)>,
    /// What the definition and the attribute's name say that is legal and yet probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// How many users each pair of segments has in common.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Overlap {
    /// The instant of all segments.
    pub as_of: AsOf,
    /// `sizes[i][j]` is what segments `i` and `j` have in common, `sizes[i][i]` the size of `i`.
    pub sizes: Vec<Vec<u64>>,
    /// For each segment, what its definition says that is legal and yet probably not meant.
    pub warnings: Vec<Vec<Diagnostic>>,
}

/// Who came and who went between two instants.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Diff {
    /// The users selected at the later instant and not at the earlier one.
    pub entered: Audience,
    /// The users selected at the earlier instant and not at the later one.
    pub left: Audience,
}

impl Snapshot {
    /// How many of the users that `segment` selects have each value of an attribute, both as of one
    /// instant: user properties with their history.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`]; [`EvaluateError::Segment`] as well for an attribute that no table has,
    /// and for a bare name that both have.
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::arrow::array::{ArrayRef, StringArray};
    /// use crowdset::arrow::record_batch::RecordBatch;
    /// use crowdset::{AsOf, Engine, LoadOptions, Tables};
    /// use std::sync::Arc;
    ///
    /// let text = |values: [&'static str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    /// let users = RecordBatch::try_from_iter([
    ///     ("user_id", text(["ada", "bob", "eve"])),
    ///     ("plan", text(["free", "free", "agency"])),
    /// ])?;
    /// let engine = Engine::in_memory();
    /// engine.load(&Tables::default().user_batch(users), &LoadOptions::default())?;
    ///
    /// let snapshot = engine.snapshot();
    /// let by_plan = snapshot.breakdown(&"everyone".parse()?, &"plan".parse()?, AsOf::now())?;
    /// assert_eq!(by_plan.groups.iter().map(|(_, users)| *users).collect::<Vec<_>>(), [2, 1]);
    /// assert!(snapshot.breakdown(&"everyone".parse()?, &"paln".parse()?, AsOf::now()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn breakdown(
        &self,
        segment: &Segment,
        attribute: &AttributeOperand,
        as_of: AsOf,
    ) -> Result<Breakdown, EvaluateError> {
        self.breakdown_with(segment, attribute, as_of, &EvalOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::breakdown`].
    pub fn breakdown_with(
        &self,
        segment: &Segment,
        attribute: &AttributeOperand,
        as_of: AsOf,
        options: &EvalOptions,
    ) -> Result<Breakdown, EvaluateError> {
        let attribute = plan_attribute(attribute, self.catalog())?;
        let audience = self.evaluate_with(segment, as_of, options)?;
        let groups = executor::breakdown(
            &audience.set,
            &self.state.dataset,
            &attribute,
            as_of.instant(),
            &options.execution,
            &self.control(options),
        )?;
        Ok(Breakdown {
            as_of,
            groups,
            warnings: audience.warnings().to_vec(),
        })
    }

    /// How many users each pair of segments has in common at one instant, in one pass.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`]; one segment that fails fails all.
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::arrow::array::{ArrayRef, StringArray};
    /// use crowdset::arrow::record_batch::RecordBatch;
    /// use crowdset::{AsOf, Engine, LoadOptions, Segment, Tables};
    /// use std::sync::Arc;
    ///
    /// let text = |values: [&'static str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    /// let users = RecordBatch::try_from_iter([
    ///     ("user_id", text(["ada", "bob", "eve"])),
    ///     ("plan", text(["free", "free", "agency"])),
    /// ])?;
    /// let engine = Engine::in_memory();
    /// engine.load(&Tables::default().user_batch(users), &LoadOptions::default())?;
    ///
    /// let segments: [Segment; 2] = ["plan = 'free'".parse()?, "user_id in ('bob', 'eve')".parse()?];
    /// let overlap = engine.snapshot().overlap(&segments, AsOf::now())?;
    /// assert_eq!(overlap.sizes, [[2, 1], [1, 2]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn overlap(&self, segments: &[Segment], as_of: AsOf) -> Result<Overlap, EvaluateError> {
        self.overlap_with(segments, as_of, &EvalOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::overlap`].
    pub fn overlap_with(
        &self,
        segments: &[Segment],
        as_of: AsOf,
        options: &EvalOptions,
    ) -> Result<Overlap, EvaluateError> {
        let prepared: Vec<Prepared> = segments
            .iter()
            .map(|segment| self.prepare_with(segment, as_of, options))
            .collect::<Result<_, _>>()?;
        let plans: Vec<&Plan> = prepared.iter().map(Prepared::plan).collect();
        let (execution, control) = (&options.execution, self.control(options));
        let sizes = executor::overlap(&self.state.dataset, &plans, execution, &control)?;
        let warnings = prepared.iter().map(|prepared| prepared.warnings().to_vec());
        Ok(Overlap {
            as_of,
            sizes,
            warnings: warnings.collect(),
        })
    }

    /// How many users `segment` selects at each of many instants, in their order. Windows of counts and
    /// sums slide from one instant to the next: only rows that come and go are read.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::{AsOf, Engine};
    ///
    /// let snapshot = Engine::in_memory().snapshot();
    /// let days: Vec<AsOf> = (0..7).map(|day| AsOf::at_millis(day * 86_400_000)).collect();
    /// assert_eq!(snapshot.trend(&"did(purchase, last 7 days)".parse()?, &days)?, [0; 7]);
    /// # Ok::<(), crowdset::Error>(())
    /// ```
    pub fn trend(&self, segment: &Segment, instants: &[AsOf]) -> Result<Vec<u64>, EvaluateError> {
        self.trend_with(segment, instants, &EvalOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::trend`].
    pub fn trend_with(
        &self,
        segment: &Segment,
        instants: &[AsOf],
        options: &EvalOptions,
    ) -> Result<Vec<u64>, EvaluateError> {
        let mut sizes = Vec::with_capacity(instants.len());
        for instants in instants.chunks(INSTANTS_AT_ONCE) {
            let prepared: Vec<Prepared> = instants
                .iter()
                .map(|as_of| self.prepare_with(segment, *as_of, options))
                .collect::<Result<_, _>>()?;
            let plans: Vec<&Plan> = prepared.iter().map(Prepared::plan).collect();
            let (execution, control) = (&options.execution, self.control(options));
            let of_instants =
                executor::count_many(&self.state.dataset, &plans, execution, &control)?;
            sizes.extend(of_instants);
        }
        Ok(sizes)
    }

    /// Who came to and who left the audience of `segment` between two instants.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::evaluate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crowdset::arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
    /// use crowdset::arrow::record_batch::RecordBatch;
    /// use crowdset::{AsOf, Engine, Segment};
    /// use std::sync::Arc;
    ///
    /// let text = |values: [&'static str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    /// let engine = Engine::in_memory();
    /// engine.append(&RecordBatch::try_from_iter([
    ///     ("event_id", text(["e1", "e2"])),
    ///     ("user_id", text(["ada", "bob"])),
    ///     ("event_name", text(["purchase", "purchase"])),
    ///     ("timestamp", Arc::new(TimestampMillisecondArray::from(vec![1_000, 9_000])) as ArrayRef),
    /// ])?)?;
    ///
    /// let recent: Segment = "did(purchase, last 5 seconds)".parse()?;
    /// let (from, to) = (AsOf::at_millis(2_000), AsOf::at_millis(10_000));
    /// let diff = engine.snapshot().diff(&recent, from, to)?;
    /// assert!(diff.entered.iter().eq(["bob"]));
    /// assert!(diff.left.iter().eq(["ada"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn diff(&self, segment: &Segment, from: AsOf, to: AsOf) -> Result<Diff, EvaluateError> {
        self.diff_with(segment, from, to, &EvalOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::diff`].
    pub fn diff_with(
        &self,
        segment: &Segment,
        from: AsOf,
        to: AsOf,
        options: &EvalOptions,
    ) -> Result<Diff, EvaluateError> {
        let before = self.evaluate_with(segment, from, options)?;
        let after = self.evaluate_with(segment, to, options)?;
        let entered = after.set.difference(&before.set);
        let left = before.set.difference(&after.set);
        Ok(Diff {
            entered: after.with_set(entered),
            left: before.with_set(left),
        })
    }
}
