//! The 24 questions, as far as the language has words for them.

use crowdset::{AsOf, EvalOptions, EvaluateError, Segment, Snapshot};
use crowdset_generate::END_MS;

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

/// What a question makes the engine do.
#[derive(Debug)]
pub enum Work {
    /// One segment.
    One(Segment),
    /// Many segments in one pass.
    Many(Vec<(Segment, AsOf)>),
    /// Whether a user is in a segment. The user is the one in the middle of the ids.
    Contains(Segment),
}

impl Question {
    /// Asks it once. The answer is the audience's size; with many, the sum of the sizes; for one
    /// user 1 or 0.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub fn ask(&self, snapshot: &Snapshot, user: &str) -> Result<u64, EvaluateError> {
        match &self.work {
            Work::One(segment) => snapshot.count(segment, as_of()),
            Work::Contains(segment) => snapshot.contains(segment, user, as_of()).map(u64::from),
            Work::Many(questions) => {
                let questions: Vec<_> = questions
                    .iter()
                    .map(|(segment, as_of)| (segment, *as_of))
                    .collect();
                let answers = snapshot.evaluate_many(&questions, &EvalOptions::default());
                answers.into_iter().map(|answer| Ok(answer?.len())).sum()
            }
        }
    }
}

/// Questions that are not asked, and why.
pub fn skipped() -> [(&'static str, &'static str); 2] {
    [
        (
            "q17",
            "pairwise sizes of 12 segments: `Snapshot::overlap` is not timed here yet",
        ),
        (
            "q18",
            "q02 by country: `Snapshot::breakdown` is not timed here yet",
        ),
    ]
}

const Q02: &str = "account_type = 'free' and count(report_generated, last 30 days) > 5";
const Q03: &str =
    "count(page_viewed where url = '/pricing', last 7 days) >= 3 and not did(trial_started)";

/// All questions that can be asked, by id.
pub fn questions() -> Vec<Question> {
    let one = |id, title, text: &str| Question {
        id,
        title,
        work: Work::One(segment(text)),
    };
    let mut all = vec![
        one("q01", "free accounts", "account_type = 'free'"),
        one("q02", "free, more than 5 reports in 30 d", Q02),
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
            work: Work::Many(
                (0..30)
                    .map(|day| (segment(Q03), AsOf::at_millis(END_MS - day * 86_400_000)))
                    .collect(),
            ),
        },
        Question {
            id: "q20",
            title: "1,000 segments in one pass",
            work: Work::Many(
                generated(1_000)
                    .iter()
                    .map(|text| (segment(text), as_of()))
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
            work: Work::Contains(segment(Q02)),
        },
        one(
            "q24",
            "60 d old, inactive for 30 d",
            "created_at < 60 days ago and not did(any event, last 30 days)",
        ),
    ];
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

fn segment(text: &str) -> Segment {
    text.parse()
        .unwrap_or_else(|error| panic!("a question of the workload must parse:\n{error}"))
}

/// `count` segments made from the templates of q02 to q06, q08 and q11 to q15, with drawn
/// parameters: always the same ones.
fn generated(count: usize) -> Vec<String> {
    const ACCOUNTS: [&str; 5] = ["free", "trial", "direct_client", "agency", "enterprise"];
    const SOURCES: [&str; 6] = ["direct", "search", "email", "social", "referral", "ads"];
    const COUNTRIES: [&str; 8] = ["US", "GB", "DE", "IN", "FR", "BR", "CA", "AU"];
    const INDUSTRIES: [&str; 6] = [
        "SaaS",
        "Retail",
        "Finance",
        "Healthcare",
        "Education",
        "Media",
    ];
    const SIZES: [&str; 4] = ["1-10", "11-50", "51-200", "201-1000"];
    let mut state = 0x5eed_u64;
    let mut below = |bound: usize| {
        // Knuth's linear congruential generator; its high bits are good enough for parameters.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % bound
    };
    (0..count)
        .map(|number| match number % 11 {
            0 => format!(
                "account_type = '{}' and count(report_generated, last {} days) > {}",
                ACCOUNTS[below(5)],
                7 + below(60),
                1 + below(8)
            ),
            1 => format!(
                "count(page_viewed where url = '{}', last {} days) >= {} and not did(trial_started)",
                ["/", "/login", "/dashboard", "/features", "/pricing", "/signup"][below(6)],
                1 + below(30),
                1 + below(5)
            ),
            2 => format!(
                "did(purchase where product_id = 'p{:04}') and not did(product_viewed where product_id = 'p{:04}')",
                1 + below(200),
                1 + below(200)
            ),
            3 => {
                let webinar = 1 + below(50);
                format!(
                    "did(webinar_attended where webinar_id = 'w{webinar:02}') \
                     and not did(signed_in, after last(webinar_attended where webinar_id = 'w{webinar:02}'))"
                )
            }
            4 => format!(
                "industry = '{}' and company_size = '{}' and did(webinar_attended where webinar_id = 'w{:02}')",
                INDUSTRIES[below(6)],
                SIZES[below(4)],
                1 + below(50)
            ),
            5 => format!("sum(purchase.amount, last {} days) >= {}", 7 + below(83), 50 + 50 * below(20)),
            6 => format!("days(any event, last {} days) >= {}", 7 + below(21), 2 + below(5)),
            7 => {
                let feature = 1 + below(32);
                let recent = 7 + below(30);
                format!(
                    "did(feature_{feature:02}_used, between {} days ago and {recent} days ago) \
                     and not did(feature_{feature:02}_used, last {recent} days)",
                    recent + 7 + below(30)
                )
            }
            8 => format!(
                "did(any of (feature_{:02}_used, feature_{:02}_used) where source in ('{}', '{}'), last {} days) \
                 and country in ('{}', '{}')",
                1 + below(16),
                17 + below(16),
                SOURCES[below(6)],
                SOURCES[below(6)],
                1 + below(7),
                COUNTRIES[below(8)],
                COUNTRIES[below(8)]
            ),
            9 => format!(
                "count(purchase where amount > {}, last {} days) >= {}",
                20 * (1 + below(10)),
                7 + below(80),
                1 + below(3)
            ),
            _ => format!(
                "count(page_viewed where url starts with '{}', last {} days) >= {}",
                ["/docs/", "/docs/guide/", "/docs/reference/", "/blog/", "/shop/"][below(5)],
                7 + below(60),
                1 + below(12)
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_asked_or_skipped_by_name() {
        let mut ids: Vec<&str> = questions().iter().map(|question| question.id).collect();
        ids.extend(skipped().map(|(id, _)| id));
        ids.sort_unstable();
        let all: Vec<String> = (1..=24).map(|number| format!("q{number:02}")).collect();
        assert_eq!(ids, all);
    }

    #[test]
    fn generated_segments_repeat_and_differ() {
        let segments = generated(1_000);
        assert_eq!(segments, generated(1_000));
        let different = segments
            .iter()
            .collect::<std::collections::HashSet<_>>()
            .len();
        assert!(different > 700, "{different}");
    }
}
