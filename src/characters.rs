//! Characters that make a text look right although it is wrong: a line end, a byte order mark, quotes from an env file.
//!
//! Each flaw is named with its place. The text itself is never shown, because it may be a secret. A text that may be
//! shown is written so that no two texts look alike.

use std::borrow::Cow;

/// The characters that a text may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Printable ASCII without blanks: an id, a secret, a number, a URL.
    Ascii,
    /// Visible characters, with blanks inside: an account's name, a path.
    Text,
}

/// The number of flaws that one message names.
const MOST: usize = 3;

/// Describes what is wrong with a text, such as “U+FEFF at the start (a byte order mark)”. Returns None if nothing is
/// wrong.
pub fn flaws(text: &str, allowed: Allowed) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !QUOTES.contains(&char::from(byte));
    if text.bytes().all(is_plain) {
        return None;
    }
    let characters: Vec<char> = text.chars().collect();
    let (mut begin, mut end) = (0, characters.len());
    let mut found = Vec::new();
    // Both ends are trimmed first: every character there that is not allowed counts as one flaw.
    let at_start = run(characters.iter(), allowed);
    if at_start > 0 {
        found.push(told(characters[0], "at the start"));
        begin = at_start;
    }
    let at_end = run(characters[begin..].iter().rev(), allowed);
    if at_end > 0 {
        end -= at_end;
        found.push(told(characters[end], "at the end"));
    }
    let inner = &characters[begin..end];
    let quote = |at: Option<&char>| at.is_some_and(|c| QUOTES.contains(c));
    match (quote(inner.first()), quote(inner.last())) {
        (true, true) if inner.len() > 1 => found.insert(0, "quotes around it".into()),
        // A path may end in an apostrophe.
        (true, _) if allowed == Allowed::Ascii => found.insert(0, "a quote at the start".into()),
        (_, true) if allowed == Allowed::Ascii => found.insert(0, "a quote at the end".into()),
        _ => {}
    }
    let mut was_bad = false;
    for (i, &c) in inner.iter().enumerate() {
        let is_bad = is_bad_inside(c, allowed);
        if is_bad && !was_bad {
            let at = begin + i + 1;
            found.push(told(c, &format!("inside, at character {at}")));
        }
        was_bad = is_bad;
    }
    found.truncate(MOST);
    (!found.is_empty()).then(|| found.join(" and "))
}

/// Writes each invisible character of a text as its number, such as `<U+202E>`. These are control characters, and
/// characters that change the direction or have no shape. Every text from elsewhere is shown this way.
pub fn shown(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| is_bad_inside(c, Allowed::Text);
    if !text.contains(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_hidden(c) {
            true => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            false => shown.push(c),
        }
    }
    shown.into()
}

/// Writes each invisible character of a JSON text as an escape. The data stay the same, and can be read on any screen.
pub fn json_shown(json: &str) -> Cow<'_, str> {
    if !json.contains(is_unseen) {
        return json.into();
    }
    let mut shown = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// Returns advice on how to avoid a flaw.
pub fn remedy(text: &str) -> &'static str {
    let is_quote = |c: char| QUOTES.contains(&c);
    let inner = text.trim();
    if inner.starts_with(is_quote) || inner.ends_with(is_quote) {
        return "Write it without quotes: an env file of Docker keeps them.";
    }
    if text.contains('\r') {
        return "Save the file that it comes from with Unix line ends.";
    }
    "Take that out of it."
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// Counts the characters from here on that are not allowed at an end.
fn run<'a>(characters: impl Iterator<Item = &'a char>, allowed: Allowed) -> usize {
    characters
        .take_while(|c| c.is_whitespace() || is_unseen(**c) || is_bad_inside(**c, allowed))
        .count()
}

fn is_bad_inside(c: char, allowed: Allowed) -> bool {
    match allowed {
        Allowed::Ascii => !c.is_ascii_graphic(),
        // The zero-width joiners belong to words of some scripts and to emoji. The variation selector U+FE0F belongs to
        // emoji.
        Allowed::Text => {
            c.is_control() || is_unseen(c) && !matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE0F}')
        }
    }
}

/// Returns whether no font shows a character.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFC}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Describes a character and its place.
fn told(c: char, place: &str) -> String {
    let code = format!("U+{:04X}", u32::from(c));
    let known = match c {
        '\r' | '\n' => "a line end",
        ' ' => "a blank",
        '\t' => "a tab",
        _ => "",
    };
    if !known.is_empty() {
        return format!("{known} {place} ({code})");
    }
    let what = match c {
        '\u{FEFF}' => "a byte order mark",
        '\u{200B}' => "a zero-width space",
        '\u{200C}' | '\u{200D}' | '\u{2060}' => "a zero-width joiner",
        '\u{A0}' | '\u{202F}' => "a no-break space",
        '\u{AD}' => "a soft hyphen",
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            "a mark of direction"
        }
        '\u{2018}'..='\u{201F}' | '\u{AB}' | '\u{BB}' => "a typographic quote",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "a dash, not a hyphen",
        '\u{3000}' => "a full-width blank",
        '\u{FF01}'..='\u{FF5E}' => "a full-width character",
        c if c.is_control() => "a control character",
        c if c.is_whitespace() => "a blank",
        c if is_unseen(c) => "a character that cannot be seen",
        _ => "not ASCII",
    };
    format!("{code} {place} ({what})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascii(text: &str) -> String {
        flaws(text, Allowed::Ascii).unwrap_or_default()
    }

    fn seen(text: &str) -> String {
        flaws(text, Allowed::Text).unwrap_or_default()
    }

    #[test]
    fn a_flaw_is_named_with_its_place() {
        for (bad, said) in [
            ("\u{FEFF}wx1", "U+FEFF at the start (a byte order mark)"),
            ("wx1\r", "a line end at the end (U+000D)"),
            ("wx1\r\n", "a line end at the end (U+000D)"),
            ("\twx1", "a tab at the start (U+0009)"),
            ("wx1 ", "a blank at the end (U+0020)"),
            ("\"wx1\"", "quotes around it"),
            ("'wx1'", "quotes around it"),
            ("\"wx1", "a quote at the start"),
            ("wx1'", "a quote at the end"),
            ("w 1", "a blank inside, at character 2 (U+0020)"),
            (
                "wx\u{200B}1",
                "U+200B inside, at character 3 (a zero-width space)",
            ),
            ("wx1\u{A0}", "U+00A0 at the end (a no-break space)"),
            (
                "wx\u{FF11}2",
                "U+FF11 inside, at character 3 (a full-width character)",
            ),
            ("\u{201C}wx1", "U+201C at the start (a typographic quote)"),
            (
                "wx\u{1}1",
                "U+0001 inside, at character 3 (a control character)",
            ),
            (
                "w\u{2013}1",
                "U+2013 inside, at character 2 (a dash, not a hyphen)",
            ),
            ("w\u{E9}1", "U+00E9 inside, at character 2 (not ASCII)"),
            (
                "\"wx1\"\r",
                "quotes around it and a line end at the end (U+000D)",
            ),
            (" ", "a blank at the start (U+0020)"),
        ] {
            assert_eq!(ascii(bad), said, "{bad:?}");
        }
        for fine in ["", "wx1", "a\"b", "~!@#$%^&*()_+=-"] {
            assert_eq!(ascii(fine), "", "{fine:?}");
        }
    }

    #[test]
    fn a_name_or_a_path_may_hold_all_that_can_be_seen() {
        for fine in [
            "服务号 1",
            "/srv/my store/t.db",
            "o'",
            "a\u{200D}b",
            "ｗｘ",
            "",
        ] {
            assert_eq!(seen(fine), "", "{fine:?}");
        }
        for bad in [
            "a ",
            " a",
            "a\r",
            "a\n",
            "\u{FEFF}a",
            "a\u{FEFF}b",
            "a\u{200B}b",
            "a\u{202E}b",
            "a\tb",
            "a\u{3000}",
            "a\u{A0}",
            "a\u{200D}",
            "\"a\"",
            "'a'",
        ] {
            assert_ne!(seen(bad), "", "{bad:?}");
        }
    }

    #[test]
    fn an_invisible_character_is_shown_by_its_number() {
        for (text, as_shown) in [
            ("shop", "shop"),
            ("服务号 1", "服务号 1"),
            ("a\u{200D}b\u{FE0F}", "a\u{200D}b\u{FE0F}"),
            ("\u{202E}pohs", "<U+202E>pohs"),
            (
                "s\u{2066}h\u{200B}o\u{AD}p\u{3164}",
                "s<U+2066>h<U+200B>o<U+00AD>p<U+3164>",
            ),
            ("\u{1b}[2J\n\u{E0041}", "<U+001B>[2J<U+000A><U+E0041>"),
        ] {
            assert_eq!(shown(text), as_shown, "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            let escaped = json_shown(&json);
            assert!(!escaped.contains(is_unseen), "{escaped}");
            let back: String = serde_json::from_str(&escaped).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn a_message_shows_only_the_flaws_of_a_text() {
        let bad = "\u{FEFF}top secret\u{200B}words\u{E9}again\r";
        let said = ascii(bad);
        for word in ["top", "secret", "words", "again"] {
            assert!(!said.contains(word), "{said}");
        }
        assert_eq!(said.matches("U+").count(), MOST, "{said}");
    }
}
