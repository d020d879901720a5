//! The 24 questions.

use crowdset::segment::AttributeOperand;
use crowdset::{AsOf, Error, EvalOptions, Segment, Snapshot};
use crowdset_generate::END_MS;
use serde_json::{Value, json};

use crate::generated::generated;

const DAY_MS: i64 = 86_400_000;

/// The instant of every question: the end of the data.
pub fn as_of() -> AsOf {
    AsOf::at_millis(END_MS)
}

/// One question.
#[derive(Debug)]
pub struct Question {
    /// `q01` to `q24`.
    pub id: &'static str,
    /// What is asked, in a few words.
    pub title: &'static str,
    /// How it is asked.
    pub work: Work,
}

/// What a question makes the engine do. Segments are texts: reading them is part of the time, as it
/// is with SQL.
#[derive(Debug)]
pub enum Work {
    /// The size of one segment.
    One(String),
    /// The sizes of many segments in one pass.
    Many(Vec<String>),
    /// The size of one segment as of each instant.
    Trend(String, Vec<AsOf>),
    /// The sizes of many segments, and of what each two of them have in common.
    Pairs(Vec<String>),
    /// One segment by an attribute.
    Groups(String, &'static str),
    /// Whether a user is in a segment.
    Contains(String),
}

/// An answer, as other engines can give it too.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// How many.
    Size(u64),
    /// How many, for each part of the question.
    Sizes(Vec<u64>),
    /// How many by value, values ascending; no value is the empty text.
    Groups(Vec<(String, u64)>),
    /// Yes or no.
    Member(bool),
}

impl Answer {
    /// All sizes added up; 1 or 0 for a member.
    pub fn total(&self) -> u64 {
        match self {
            Self::Size(size) => *size,
            Self::Sizes(sizes) => sizes.iter().sum(),
            Self::Groups(groups) => groups.iter().map(|(_, size)| size).sum(),
            Self::Member(is_member) => u64::from(*is_member),
        }
    }

    /// For comparing with what others answered.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Size(size) => json!({"size": size}),
            Self::Sizes(sizes) => json!({"sizes": sizes}),
            Self::Groups(groups) => json!({"groups": groups}),
            Self::Member(is_member) => json!({"member": is_member}),
        }
    }
}

impl Question {
    /// Asks it once: reads the text, plans, evaluates.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub fn ask(&self, snapshot: &Snapshot, user: &str) -> Result<Answer, Error> {
        let now = as_of();
        Ok(match &self.work {
            Work::One(text) => Answer::Size(snapshot.count(&text.parse()?, now)?),
            Work::Contains(text) => Answer::Member(snapshot.contains(&text.parse()?, user, now)?),
            Work::Many(texts) => {
                let segments = parse(texts)?;
                let questions: Vec<_> = segments.iter().map(|segment| (segment, now)).collect();
                let counts = snapshot.count_many(&questions, &EvalOptions::default());
                let sizes = counts.into_iter().map(|count| Ok(count?.1));
                Answer::Sizes(sizes.collect::<Result<_, Error>>()?)
            }
            Work::Trend(text, instants) => Answer::Sizes(snapshot.trend(&text.parse()?, instants)?),
            Work::Pairs(texts) => {
                let overlap = snapshot.overlap(&parse(texts)?, now)?;
                let rows = overlap.sizes.iter().enumerate();
                Answer::Sizes(
                    rows.flat_map(|(row, sizes)| sizes[row..].to_vec())
                        .collect(),
                )
            }
            Work::Groups(text, attribute) => {
                let attribute: AttributeOperand = attribute.parse()?;
                let breakdown = snapshot.breakdown(&text.parse()?, &attribute, now)?;
                let groups = breakdown.groups.into_iter();
                let mut groups: Vec<(String, u64)> = groups
                    .map(|(value, size)| (value.map(text_of).unwrap_or_default(), size))
                    .collect();
                groups.sort_unstable();
                Answer::Groups(groups)
            }
        })
    }

    /// The one segment that is asked for everybody, if that is all of the question.
    pub fn segment(&self) -> Option<&str> {
        match &self.work {
            Work::One(text) => Some(text),
            _ => None,
        }
    }
}

/// The user that q23 asks about: the one in the middle of q02's, so that every condition is looked at.
///
/// # Errors
///
/// What the engine says.
pub fn member(snapshot: &Snapshot) -> Result<String, Error> {
    let audience = snapshot.evaluate(&Q02.parse()?, as_of())?;
    let middle = audience.iter().nth(audience.len() as usize / 2);
    Ok(middle.unwrap_or_default().to_owned())
}

fn parse(texts: &[String]) -> Result<Vec<Segment>, Error> {
    let segments: Result<Vec<Segment>, _> = texts.iter().map(|text| text.parse()).collect();
    Ok(segments?)
}

fn text_of(value: crowdset::Value) -> String {
    match value {
        crowdset::Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

const Q02: &str = "account_type = 'free' and count(report_generated, last 30 days) > 5";
const Q03: &str =
    "count(page_viewed where url = '/pricing', last 7 days) >= 3 and not did(trial_started)";

/// The questions whose segments q17 intersects.
const PAIRED: [&str; 12] = [
    "q01", "q02", "q03", "q04", "q05", "q06", "q08", "q10", "q11", "q12", "q13", "q15",
];

/// q02, which is asked first of a store that was just opened.
pub fn first_question() -> Question {
    Question {
        id: "q02",
        title: "free, more than 5 reports in 30 d",
        work: Work::One(Q02.to_owned()),
    }
}

/// All questions, by id.
pub fn questions() -> Vec<Question> {
    let one = |id, title, text: &str| Question {
        id,
        title,
        work: Work::One(text.to_owned()),
    };
    let mut all = vec![
        one("q01", "free accounts", "account_type = 'free'"),
        first_question(),
        one("q03", "3 times /pricing in 7 d, no trial", Q03),
        one(
            "q04",
            "bought p0001, never saw p0002",
            "did(purchase where product_id = 'p0001') and not did(product_viewed where product_id = 'p0002')",
        ),
        one(
            "q05",
            "webinar w07, no sign-in since",
            "did(webinar_attended where webinar_id = 'w07') \
             and not did(signed_in, after last(webinar_attended where webinar_id = 'w07'))",
        ),
        one(
            "q06",
            "SaaS, 51-200, webinar w03",
            "industry = 'SaaS' and company_size = '51-200' and did(webinar_attended where webinar_id = 'w03')",
        ),
        one(
            "q07",
            "the 1,000 busiest of 30 d",
            "top(1000, count(any event, last 30 days))",
        ),
        one(
            "q08",
            "spent 500 in 90 d",
            "sum(purchase.amount, last 90 days) >= 500",
        ),
        one(
            "q09",
            "funnel of three within 7 d",
            "sequence(product_viewed then item_added_to_cart then purchase, within 7 days, last 30 days)",
        ),
        one(
            "q10",
            "first sign-in in 14 d",
            "first(signed_in) in last 14 days",
        ),
        one(
            "q11",
            "active on 5 of 14 days",
            "days(any event, last 14 days) >= 5",
        ),
        one(
            "q12",
            "dropped feature_03",
            "did(feature_03_used, between 60 days ago and 30 days ago) and not did(feature_03_used, last 30 days)",
        ),
        one(
            "q13",
            "any of 10 features by source and country",
            "did(any of (feature_01_used, feature_02_used, feature_03_used, feature_04_used, feature_05_used, \
             feature_06_used, feature_07_used, feature_08_used, feature_09_used, feature_10_used) \
             where source in ('email', 'ads', 'partner', 'app'), last 3 days) \
             and country in ('US', 'GB', 'DE', 'FR', 'NL')",
        ),
        one(
            "q14",
            "2 purchases over 100 in 60 d",
            "count(purchase where amount > 100, last 60 days) >= 2",
        ),
        one(
            "q15",
            "10 docs pages in 30 d",
            "count(page_viewed where url starts with '/docs/', last 30 days) >= 10",
        ),
        one("q16", "20 conditions, three deep", Q16),
        Question {
            id: "q19",
            title: "q03 as of each of 30 days",
            work: Work::Trend(
                Q03.to_owned(),
                (0..30)
                    .map(|day| AsOf::at_millis(END_MS - day * DAY_MS))
                    .collect(),
            ),
        },
        Question {
            id: "q20",
            title: "1,000 segments in one pass",
            work: Work::Many(
                generated(1_000)
                    .into_iter()
                    .map(|drawn| drawn.text)
                    .collect(),
            ),
        },
        one(
            "q21",
            "3 different products in 14 d",
            "distinct(product_viewed.product_id, last 14 days) >= 3",
        ),
        one(
            "q22",
            "latest page came by email",
            "last(page_viewed).source = 'email'",
        ),
        Question {
            id: "q23",
            title: "q02 for one user",
            work: Work::Contains(Q02.to_owned()),
        },
        one(
            "q24",
            "60 d old, inactive for 30 d",
            "created_at < 60 days ago and not did(any event, last 30 days)",
        ),
    ];
    let text = |id: &str| {
        let question = all.iter().find(|question| question.id == id);
        question
            .and_then(Question::segment)
            .unwrap_or_default()
            .to_owned()
    };
    let pairs = Question {
        id: "q17",
        title: "pairwise overlap of 12 segments",
        work: Work::Pairs(PAIRED.map(text).into()),
    };
    let groups = Question {
        id: "q18",
        title: "q02 by country",
        work: Work::Groups(Q02.to_owned(), "country"),
    };
    all.extend([pairs, groups]);
    all.sort_by_key(|question| question.id);
    all
}

const Q16: &str = "\
(account_type in ('free', 'trial')
  and (count(page_viewed, last 30 days) >= 5
       or count(product_viewed, last 30 days) >= 3
       or did(report_generated where report_type = 'revenue', last 14 days))
  and not (did(trial_started, last 60 days) and sum(purchase.amount, last 90 days) < 50)
  and count(any event, last 7 days) >= 1)
or (industry in ('SaaS', 'Finance', 'Retail') and company_size in ('11-50', '51-200')
  and (did(webinar_attended, last 60 days) or did(feature_05_used, last 14 days)
       or (country = 'DE' and language = 'de')))
or (lifecycle_stage = 'at_risk' and created_at < 60 days ago
  and not (did(signed_in, last 14 days) or did(page_viewed where source = 'email', last 30 days))
  and (count(purchase where amount > 100) >= 1 or did(item_added_to_cart where price >= 50, last 30 days)
       or did(feature_07_used where value > 50, last 30 days)))";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_there_and_its_text_parses() {
        let questions = questions();
        let ids: Vec<&str> = questions.iter().map(|question| question.id).collect();
        let all: Vec<String> = (1..=24).map(|number| format!("q{number:02}")).collect();
        assert_eq!(ids, all);
        for question in &questions {
            let texts = match &question.work {
                Work::One(text)
                | Work::Trend(text, _)
                | Work::Groups(text, _)
                | Work::Contains(text) => std::slice::from_ref(text),
                Work::Many(texts) | Work::Pairs(texts) => texts,
            };
            for text in texts {
                assert!(text.parse::<Segment>().is_ok(), "{}: {text}", question.id);
            }
        }
    }
}
