//! The texts that no reply may hold: the tokens and the secret of its request. A platform does not send them back by
//! itself. An error text, a header or a redirect that repeats the request would.

use memchr::memmem::Finder;

/// The bytes of a needle that are searched for before the rest is compared.
const LOOKED_FOR: usize = 16;

/// Byte strings that must not pass.
#[derive(Clone, Debug, Default)]
pub struct Needles(Vec<Needle>);

#[derive(Clone)]
struct Needle {
    bytes: Vec<u8>,
    /// The finder of its first bytes. A finder of more bytes takes longer to make.
    begin: Finder<'static>,
    /// The text in its place, which the client may know.
    instead: Vec<u8>,
}

impl std::fmt::Debug for Needle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Needle")
    }
}

impl Needle {
    fn place_in(&self, text: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            let at = from + self.begin.find(text.get(from..)?)?;
            if text[at..].starts_with(&self.bytes) {
                return Some(at);
            }
            from = at + 1;
        }
    }
}

impl Needles {
    pub fn add(&mut self, bytes: &str, instead: &str) {
        if !bytes.is_empty() {
            self.0.push(Needle {
                begin: Finder::new(&bytes.as_bytes()[..bytes.len().min(LOOKED_FOR)]).into_owned(),
                bytes: bytes.into(),
                instead: instead.into(),
            });
        }
    }

    pub fn are_in(&self, text: &[u8]) -> bool {
        self.0.iter().any(|needle| needle.place_in(text).is_some())
    }

    /// The text with each needle replaced.
    pub fn replaced(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for needle in &self.0 {
            let mut done = Vec::with_capacity(text.len());
            let mut rest = &text[..];
            while let Some(at) = needle.place_in(rest) {
                done.extend(&rest[..at]);
                done.extend(&needle.instead);
                rest = &rest[at + needle.bytes.len()..];
            }
            done.extend(rest);
            text = done;
        }
        text
    }

    /// The number of bytes at the end of a text that may begin a needle.
    pub fn begun_at_end_of(&self, text: &[u8]) -> usize {
        let begun = |needle: &Needle| {
            let longest = text.len().min(needle.bytes.len() - 1);
            (1..=longest)
                .rev()
                .find(|length| text.ends_with(&needle.bytes[..*length]))
                .unwrap_or(0)
        };
        self.0.iter().map(begun).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles() -> Needles {
        let mut needles = Needles::default();
        needles.add("real-token", "wxs_1");
        needles.add("real", "wxs_2");
        needles.add("", "nothing");
        needles
    }

    #[test]
    fn needles_are_replaced_in_a_text() {
        let needles = needles();
        assert!(needles.are_in(b"a real-token b") && !needles.are_in(b"rea l"));
        let text = needles.replaced(b"real-token, a real-toke, real-tokenreal-token");
        assert_eq!(text, b"wxs_1, a wxs_2-toke, wxs_1wxs_1");
        assert_eq!(needles.replaced(b"nothing"), b"nothing");
        let mut long = Needles::default();
        long.add("0123456789abcdefghij", "x");
        let begun = b"0123456789abcdef0123456789abcdefghij0123456789abcdefghi";
        assert_eq!(
            long.replaced(begun),
            b"0123456789abcdefx0123456789abcdefghi"
        );
    }

    #[test]
    fn the_length_of_a_needles_possible_beginning_is_known() {
        let needles = needles();
        for (text, begun) in [
            ("", 0),
            ("abc", 0),
            ("abc r", 1),
            ("abc rea", 3),
            ("abc real-toke", 9),
            ("abc real-tokex", 0),
            ("rerere", 2),
        ] {
            assert_eq!(needles.begun_at_end_of(text.as_bytes()), begun, "{text}");
        }
    }
}
