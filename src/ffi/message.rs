//! Renders an error into the fixed space that C has for it: what failed, why, and what to do.

use crate::characters::shown;
use crate::error::Error;

const ELLIPSIS: &str = "…";

/// Returns `what: detail; hint: Hint.` in at most `most` bytes. A longer text is cut in the detail first, then in what
/// failed, and in the hint last.
pub fn render(error: &Error, most: usize) -> String {
    let hint = match &error.hint {
        Some(hint) => format!("hint: {}", shown(&hint.for_c())),
        None => String::new(),
    };
    let tail = match hint.as_str() {
        "" => String::new(),
        hint => format!("; {hint}"),
    };
    // The hint alone fills the space.
    let Some(room) = most
        .checked_sub(tail.len())
        .filter(|room| *room >= ELLIPSIS.len())
    else {
        return fit(&hint, most);
    };
    let what = shown(&error.what);
    let head = match &error.detail {
        Some(detail) => {
            let lead = format!("{what}: ");
            match room.checked_sub(lead.len()) {
                Some(left) if left >= ELLIPSIS.len() => lead + &fit(&shown(detail), left),
                _ => fit(&what, room),
            }
        }
        None => fit(&what, room),
    };
    head + &tail
}

/// Returns the text, or as much of it as fits into `most` bytes with an ellipsis. It never cuts within a character.
fn fit(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(ELLIPSIS.len()) else {
        return String::new();
    };
    text[..text.floor_char_boundary(room)].to_owned() + ELLIPSIS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Error {
        Error::store("cannot open 店")
            .because("it is 店店店")
            .advise("Close it.")
    }

    #[test]
    fn a_message_that_fits_is_whole() {
        let whole = "cannot open 店: it is 店店店; hint: Close it.";
        assert_eq!(render(&error(), 495), whole);
        assert_eq!(render(&error(), whole.len()), whole);
        assert_eq!(render(&error(), whole.len()), error().for_c());
        assert_eq!(render(&Error::store("full"), 495), "full");
        assert_eq!(
            render(&Error::store("full").because("of it"), 495),
            "full: of it"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_number() {
        let error = Error::store("a\u{202E}b")
            .because("c\u{200B}d")
            .advise("e\nf\u{2066}");
        assert_eq!(
            render(&error, 495),
            "a<U+202E>b: c<U+200B>d; hint: e<U+000A>f<U+2066>"
        );
    }

    #[test]
    fn the_detail_is_cut_first_and_what_failed_next_and_the_hint_last() {
        let whole = error().for_c();
        let cut = |less: usize| render(&error(), whole.len() - less);
        assert_eq!(cut(1), "cannot open 店: it is 店…; hint: Close it.");
        assert_eq!(cut(9), "cannot open 店: it …; hint: Close it.");
        assert_eq!(cut(13), "cannot open 店; hint: Close it.");
        assert_eq!(cut(20), "cannot op…; hint: Close it.");
        assert_eq!(render(&error(), 18), "hint: Close it.");
        assert_eq!(render(&error(), 12), "hint: Clo…");
        let long = Error::store("s".repeat(500));
        assert_eq!(render(&long, 495), "s".repeat(492) + "…");
    }

    #[test]
    fn no_message_is_too_long_or_cut_within_a_character() {
        for most in 0..error().for_c().len() + 2 {
            let text = render(&error(), most);
            assert!(text.len() <= most, "{most}: {text}");
        }
    }
}
