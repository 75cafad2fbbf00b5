//! Words on a screen: how wide they are, how they wrap, and how times are said.

use std::io;

use chrono::{Local, TimeZone};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns on a terminal; a Chinese character takes two.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cut to `most` columns, with a mark where something is missing.
pub fn cut(text: &str, most: usize, unicode: bool) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mark = if unicode { "…" } else { "~" };
    let mut kept = String::new();
    let mut room = most.saturating_sub(1);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > room {
            break;
        }
        room -= wide;
        kept.push(c);
    }
    if most > 0 {
        kept.push_str(mark);
    }
    kept
}

/// Filled up with spaces to `to` columns.
pub fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Lines of at most `most` columns, parted at spaces, and between wide characters where there is none.
pub fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let gap = usize::from(!line.is_empty());
        if width(&line) + gap + width(word) <= most {
            line.push_str(&" "[..gap]);
            line.push_str(word);
            continue;
        }
        let begins_wide = word.chars().next().and_then(char::width) == Some(2);
        if !line.is_empty() && !begins_wide {
            lines.push(std::mem::take(&mut line));
        } else if gap == 1 && width(&line) + 3 <= most {
            line.push(' ');
        }
        for c in word.chars() {
            if width(&line) + c.width().unwrap_or(0) > most {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

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

/// The same in one unit: `12m`.
pub fn age(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..86_400 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

/// A moment in local time: only the clock when it is of today.
pub fn moment(seconds: i64, now: i64) -> String {
    local(seconds, now, "%H:%M:%S", "%m-%d %H:%M")
}

/// The same in five columns.
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

/// `1 account`, `2 accounts`.
pub fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// What the system said, without Rust's “(os error 13)”.
pub fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}

/// Ready to be typed into a shell.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub fn locale_is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(width("服务号"), 6);
        assert_eq!(cut("服务号一二", 6, true), "服务…");
        assert_eq!(width(&pad("服务号", 10)), 10);
    }

    #[test]
    fn lines_wrap_at_spaces_and_within_what_is_too_long() {
        assert_eq!(wrap("one two three", 9), ["one two", "three"]);
        assert_eq!(wrap("aaaaaaaaaaaa", 8), ["aaaaaaaa", "aaaa"]);
        for line in wrap(
            "add it (公众平台 → 设置与开发 → 基本配置 → IP白名单) now",
            20,
        ) {
            assert!(width(&line) <= 20, "{line}");
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        assert_eq!(span(59), "59s");
        assert_eq!(span(125), "2m 05s");
        assert_eq!(span(6480), "1h 48m");
        assert_eq!(span(90_000), "1d 1h");
        assert_eq!(age(6480), "1h");
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("/var/lib/wx.db"), "/var/lib/wx.db");
        assert_eq!(quoted("my shop's"), r"'my shop'\''s'");
    }
}
