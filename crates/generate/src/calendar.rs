//! Days since 1970-01-01 as calendar dates.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Milliseconds of an hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// `YYYY-MM-DD` of a day since 1970-01-01, in the Gregorian calendar.
pub(crate) fn date(day: i64) -> String {
    // Years that begin in March put the leap day last, so month lengths repeat every five months.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

/// Whether a day since 1970-01-01 is a Saturday or a Sunday.
pub(crate) fn is_weekend(day: i64) -> bool {
    // 1970-01-01 was a Thursday: Monday is 0 here.
    (day + 3).rem_euclid(7) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_known_days() {
        for (day, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_726, "2026-09-30"),
            (20_727, "2026-10-01"),
        ] {
            assert_eq!(date(day), text);
        }
    }

    #[test]
    fn weekends() {
        // 2026-09-26 is a Saturday.
        let saturday = 20_722;
        assert_eq!(date(saturday), "2026-09-26");
        let week: Vec<bool> = (saturday - 1..saturday + 3).map(is_weekend).collect();
        assert_eq!(week, [false, true, true, false]);
    }
}
