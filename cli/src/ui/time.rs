//! Lengths of time and moments as text.

use chrono::{Local, TimeZone};

/// A length of time in two units at most: `1h 48m`.
pub fn span(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..600 => format!("{}m {:02}s", s / 60, s % 60),
        600..3600 => format!("{}m", s / 60),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
    }
}

/// A length of time in one unit: `12m`.
pub fn age(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..86_400 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

/// A day in local time.
pub fn date(seconds: i64) -> String {
    let at = Local.timestamp_opt(seconds, 0).single();
    at.map_or_else(
        || seconds.to_string(),
        |at| at.format("%Y-%m-%d").to_string(),
    )
}

/// A moment in local time: only the clock if it is today.
pub fn moment(seconds: i64, now: i64) -> String {
    local(seconds, now, "%H:%M:%S", "%m-%d %H:%M")
}

/// A moment in local time, in five columns: only the clock if it is today, and otherwise only the day.
pub fn short_moment(seconds: i64, now: i64) -> String {
    local(seconds, now, "%H:%M", "%m-%d")
}

fn local(seconds: i64, now: i64, today: &str, earlier: &str) -> String {
    let at = |s: i64| Local.timestamp_opt(s, 0).single();
    let (Some(then), Some(now)) = (at(seconds), at(now)) else {
        return seconds.to_string();
    };
    let is_today = then.date_naive() == now.date_naive();
    let format = if is_today { today } else { earlier };
    then.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_people_write_them() {
        assert_eq!(span(59), "59s");
        assert_eq!(span(125), "2m 05s");
        assert_eq!(span(6480), "1h 48m");
        assert_eq!(span(90_000), "1d 1h");
        assert_eq!(age(6480), "1h");
    }
}
