//! The width of text on a screen, and text that is cut, padded and wrapped to fit.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns the columns that a text takes on a terminal. A Chinese character takes two.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Returns a text that is safe to show. A process or an account may have a name that moves the cursor, or looks like
/// another.
pub fn printable(text: &str) -> String {
    wxtoken::tool::shown(text).into_owned()
}

/// Returns a text cut to `most` columns, with a mark where something is missing.
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

/// Returns a text padded with spaces to `to` columns.
pub fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Returns lines of at most `most` columns. They break at spaces, or between wide characters without a space.
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
    fn lines_wrap_at_spaces_and_within_long_words() {
        assert_eq!(wrap("one two three", 9), ["one two", "three"]);
        assert_eq!(wrap("aaaaaaaaaaaa", 8), ["aaaaaaaa", "aaaa"]);
        for line in wrap(
            "add it (公众平台 → 设置与开发 → 基本配置 → IP白名单) now",
            20,
        ) {
            assert!(width(&line) <= 20, "{line}");
        }
    }
}
