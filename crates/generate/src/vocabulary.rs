//! The words of the sample product: names of events, users, places and things.

/// The values of `users.account_type`, with their weights.
pub(crate) const ACCOUNT_TYPES: [(&str, f64); 5] = [
    ("free", 70.0),
    ("trial", 10.0),
    ("direct_client", 12.0),
    ("agency", 6.0),
    ("enterprise", 2.0),
];

pub(crate) const FIRST_NAMES: [&str; 24] = [
    "Ada", "Amir", "Ana", "Ben", "Chen", "Dora", "Elif", "Emil", "Fatima", "George", "Hana",
    "Ines", "Ivan", "Jonas", "Kofi", "Lena", "Mara", "Noor", "Olga", "Pedro", "Rosa", "Sven",
    "Tara", "Yuki",
];

pub(crate) const LAST_NAMES: [&str; 24] = [
    "Adeyemi", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito",
    "Jansen", "Kowalski", "Larsen", "Moreau", "Novak", "Okafor", "Popescu", "Quinn", "Rossi",
    "Schmidt", "Tanaka", "Urban", "Virtanen", "Weber", "Yilmaz",
];

pub(crate) const INDUSTRIES: [&str; 24] = [
    "SaaS",
    "Retail",
    "Finance",
    "Healthcare",
    "Education",
    "Media",
    "Travel",
    "Manufacturing",
    "Logistics",
    "Real Estate",
    "Energy",
    "Telecom",
    "Gaming",
    "Food",
    "Fashion",
    "Automotive",
    "Insurance",
    "Legal",
    "Consulting",
    "Non-profit",
    "Government",
    "Agriculture",
    "Construction",
    "Sports",
];

pub(crate) const COMPANY_SIZES: [(&str, f64); 6] = [
    ("1-10", 38.0),
    ("11-50", 27.0),
    ("51-200", 17.0),
    ("201-1000", 10.0),
    ("1001-5000", 5.0),
    ("5001+", 3.0),
];

/// Most frequent first.
pub(crate) const COUNTRIES: [&str; 60] = [
    "US", "GB", "DE", "IN", "FR", "BR", "CA", "AU", "ES", "IT", "NL", "JP", "MX", "PL", "SE", "CH",
    "KR", "TR", "BE", "ID", "AT", "DK", "NO", "IE", "SG", "PT", "ZA", "FI", "IL", "AE", "NG", "AR",
    "CZ", "RO", "GR", "NZ", "HU", "UA", "PH", "VN", "MY", "TH", "CL", "CO", "PK", "EG", "KE", "BD",
    "SA", "HK", "TW", "SK", "BG", "HR", "LT", "LV", "EE", "SI", "LU", "IS",
];

/// Most frequent first.
pub(crate) const LANGUAGES: [&str; 20] = [
    "en", "de", "es", "fr", "pt", "hi", "it", "nl", "ja", "pl", "sv", "tr", "ko", "da", "no", "fi",
    "cs", "ro", "el", "uk",
];

pub(crate) const LIFECYCLE_STAGES: [(&str, f64); 5] = [
    ("lead", 30.0),
    ("activated", 25.0),
    ("engaged", 25.0),
    ("at_risk", 12.0),
    ("churned", 8.0),
];

/// Where a visit came from, most frequent first.
pub(crate) const SOURCES: [&str; 12] = [
    "direct",
    "search",
    "email",
    "social",
    "referral",
    "ads",
    "app",
    "partner",
    "newsletter",
    "sms",
    "qr",
    "affiliate",
];

pub(crate) const CURRENCIES: [(&str, f64); 4] =
    [("USD", 55.0), ("EUR", 30.0), ("GBP", 10.0), ("JPY", 5.0)];

pub(crate) const COUPONS: [&str; 8] = [
    "WELCOME10",
    "SPRING15",
    "SUMMER20",
    "LOYAL5",
    "FRIEND10",
    "BUNDLE25",
    "FLASH30",
    "VIP40",
];

pub(crate) const REPORT_TYPES: [&str; 20] = [
    "traffic",
    "revenue",
    "funnel",
    "retention",
    "cohort",
    "attribution",
    "inventory",
    "campaign",
    "audience",
    "churn",
    "forecast",
    "margin",
    "usage",
    "support",
    "survey",
    "quality",
    "latency",
    "billing",
    "security",
    "compliance",
];

pub(crate) const PLANS: [(&str, f64); 3] = [("basic", 60.0), ("pro", 30.0), ("enterprise", 10.0)];

pub(crate) const SIGN_IN_METHODS: [(&str, f64); 4] = [
    ("password", 50.0),
    ("google", 30.0),
    ("magic_link", 12.0),
    ("sso", 8.0),
];

pub(crate) const DEVICES: [(&str, f64); 5] = [
    ("desktop", 48.0),
    ("mobile", 38.0),
    ("tablet", 9.0),
    ("tv", 3.0),
    ("watch", 2.0),
];

/// What happens, most frequent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PageViewed,
    SignedIn,
    ProductViewed,
    ItemAddedToCart,
    ReportGenerated,
    Purchase,
    WebinarAttended,
    TrialStarted,
    /// `feature_NN_used`.
    Feature(u8),
}

/// How many features there are.
pub(crate) const FEATURES: u8 = 32;

/// The forty events by rank, most frequent first: the features fill the ranks in their order.
pub(crate) fn kinds() -> Vec<Kind> {
    let named = [
        (0, Kind::PageViewed),
        (1, Kind::SignedIn),
        (2, Kind::ProductViewed),
        (4, Kind::ItemAddedToCart),
        (5, Kind::ReportGenerated),
        (7, Kind::Purchase),
        (14, Kind::WebinarAttended),
        (29, Kind::TrialStarted),
    ];
    let mut features = (1..=FEATURES).map(Kind::Feature);
    (0..named.len() + usize::from(FEATURES))
        .filter_map(|rank| {
            let fixed = named
                .iter()
                .find(|(place, _)| *place == rank)
                .map(|(_, kind)| *kind);
            fixed.or_else(|| features.next())
        })
        .collect()
}

/// The name an event is stored under.
pub(crate) fn event_name(kind: Kind) -> String {
    match kind {
        Kind::PageViewed => "page_viewed".to_owned(),
        Kind::SignedIn => "signed_in".to_owned(),
        Kind::ProductViewed => "product_viewed".to_owned(),
        Kind::ItemAddedToCart => "item_added_to_cart".to_owned(),
        Kind::ReportGenerated => "report_generated".to_owned(),
        Kind::Purchase => "purchase".to_owned(),
        Kind::WebinarAttended => "webinar_attended".to_owned(),
        Kind::TrialStarted => "trial_started".to_owned(),
        Kind::Feature(number) => format!("feature_{number:02}_used"),
    }
}

/// The values of the property `last_seen_feature`.
pub(crate) fn features() -> Vec<String> {
    (1..=FEATURES)
        .map(|number| format!("feature_{number:02}"))
        .collect()
}

/// How many pages there are.
pub(crate) const URLS: usize = 500;

/// The pages, most frequent first. Two in five are documentation, `/pricing` is the seventh.
pub(crate) fn urls() -> Vec<String> {
    (1..=URLS)
        .map(|rank| match rank {
            1 => "/".to_owned(),
            2 => "/login".to_owned(),
            4 => "/dashboard".to_owned(),
            6 => "/features".to_owned(),
            7 => "/pricing".to_owned(),
            9 => "/signup".to_owned(),
            _ => match rank % 5 {
                0 => format!("/docs/guide/{rank:03}"),
                3 => format!("/docs/reference/{rank:03}"),
                1 => format!("/blog/{rank:03}"),
                _ => format!("/shop/{rank:03}"),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_events_in_a_sensible_order() {
        let names: Vec<String> = kinds().into_iter().map(event_name).collect();
        assert_eq!(names.len(), 40);
        assert_eq!(names[0], "page_viewed");
        assert!(names[..8].contains(&"report_generated".to_owned()));
        assert_eq!(names[3], "feature_01_used");
        assert_eq!(names[39], "feature_32_used");
        assert_eq!(
            names.iter().collect::<std::collections::HashSet<_>>().len(),
            40
        );
    }

    #[test]
    fn pages_are_as_described() {
        let urls = urls();
        assert_eq!(urls.len(), URLS);
        assert_eq!(urls[6], "/pricing");
        assert_eq!(
            urls.iter().filter(|url| url.starts_with("/docs/")).count(),
            200
        );
        assert_eq!(
            urls.iter().collect::<std::collections::HashSet<_>>().len(),
            URLS
        );
    }
}
