//! A thousand segments made from templates, with what was drawn for them.

use serde_json::{Value, json};

/// One drawn segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The segment.
    pub text: String,
    /// The question it is like, under `like`, and what was drawn for it: enough to ask it in another
    /// language.
    pub parameters: Value,
}

/// `count` segments made from the templates of q02 to q06, q08 and q11 to q15, with drawn
/// parameters: always the same ones.
pub fn generated(count: usize) -> Vec<Drawn> {
    let mut draw = Draw(0x5eed);
    (0..count).map(|number| draw.segment(number % 11)).collect()
}

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
const PAGES: [&str; 6] = [
    "/",
    "/login",
    "/dashboard",
    "/features",
    "/pricing",
    "/signup",
];
const PREFIXES: [&str; 5] = [
    "/docs/",
    "/docs/guide/",
    "/docs/reference/",
    "/blog/",
    "/shop/",
];

/// Knuth's linear congruential generator; its high bits are good enough for parameters.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn segment(&mut self, template: usize) -> Drawn {
        let (text, parameters) = match template {
            0 => {
                let (account, days, over) = (
                    self.one_of(&ACCOUNTS),
                    7 + self.below(60),
                    1 + self.below(8),
                );
                (
                    format!(
                        "account_type = '{account}' and count(report_generated, last {days} days) > {over}"
                    ),
                    json!({"like": "q02", "account": account, "days": days, "over": over}),
                )
            }
            1 => {
                let (url, days, least) =
                    (self.one_of(&PAGES), 1 + self.below(30), 1 + self.below(5));
                (
                    format!(
                        "count(page_viewed where url = '{url}', last {days} days) >= {least} and not did(trial_started)"
                    ),
                    json!({"like": "q03", "url": url, "days": days, "least": least}),
                )
            }
            2 => {
                let bought = format!("p{:04}", 1 + self.below(200));
                let seen = format!("p{:04}", 1 + self.below(200));
                (
                    format!(
                        "did(purchase where product_id = '{bought}') and not did(product_viewed where product_id = '{seen}')"
                    ),
                    json!({"like": "q04", "bought": bought, "seen": seen}),
                )
            }
            3 => {
                let webinar = format!("w{:02}", 1 + self.below(50));
                (
                    format!(
                        "did(webinar_attended where webinar_id = '{webinar}') \
                         and not did(signed_in, after last(webinar_attended where webinar_id = '{webinar}'))"
                    ),
                    json!({"like": "q05", "webinar": webinar}),
                )
            }
            4 => {
                let (industry, size) = (self.one_of(&INDUSTRIES), self.one_of(&SIZES));
                let webinar = format!("w{:02}", 1 + self.below(50));
                (
                    format!(
                        "industry = '{industry}' and company_size = '{size}' and did(webinar_attended where webinar_id = '{webinar}')"
                    ),
                    json!({"like": "q06", "industry": industry, "size": size, "webinar": webinar}),
                )
            }
            5 => {
                let (days, least) = (7 + self.below(83), 50 + 50 * self.below(20));
                (
                    format!("sum(purchase.amount, last {days} days) >= {least}"),
                    json!({"like": "q08", "days": days, "least": least}),
                )
            }
            6 => {
                let (days, least) = (7 + self.below(21), 2 + self.below(5));
                (
                    format!("days(any event, last {days} days) >= {least}"),
                    json!({"like": "q11", "days": days, "least": least}),
                )
            }
            7 => {
                let event = format!("feature_{:02}_used", 1 + self.below(32));
                let recent = 7 + self.below(30);
                let from = recent + 7 + self.below(30);
                (
                    format!(
                        "did({event}, between {from} days ago and {recent} days ago) and not did({event}, last {recent} days)"
                    ),
                    json!({"like": "q12", "event": event, "from": from, "recent": recent}),
                )
            }
            8 => {
                let events = [
                    format!("feature_{:02}_used", 1 + self.below(16)),
                    format!("feature_{:02}_used", 17 + self.below(16)),
                ];
                let sources = [self.one_of(&SOURCES), self.one_of(&SOURCES)];
                let days = 1 + self.below(7);
                let countries = [self.one_of(&COUNTRIES), self.one_of(&COUNTRIES)];
                (
                    format!(
                        "did(any of ({}, {}) where source in ('{}', '{}'), last {days} days) and country in ('{}', '{}')",
                        events[0], events[1], sources[0], sources[1], countries[0], countries[1]
                    ),
                    json!({"like": "q13", "events": events, "sources": sources, "days": days, "countries": countries}),
                )
            }
            9 => {
                let (over, days, least) = (
                    20 * (1 + self.below(10)),
                    7 + self.below(80),
                    1 + self.below(3),
                );
                (
                    format!("count(purchase where amount > {over}, last {days} days) >= {least}"),
                    json!({"like": "q14", "over": over, "days": days, "least": least}),
                )
            }
            _ => {
                let (prefix, days, least) = (
                    self.one_of(&PREFIXES),
                    7 + self.below(60),
                    1 + self.below(12),
                );
                (
                    format!(
                        "count(page_viewed where url starts with '{prefix}', last {days} days) >= {least}"
                    ),
                    json!({"like": "q15", "prefix": prefix, "days": days, "least": least}),
                )
            }
        };
        Drawn { text, parameters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_segments_repeat_and_differ() {
        let segments = generated(1_000);
        assert_eq!(segments, generated(1_000));
        let different: std::collections::HashSet<&str> =
            segments.iter().map(|drawn| drawn.text.as_str()).collect();
        assert!(different.len() > 700, "{}", different.len());
    }
}
