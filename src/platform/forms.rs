//! The forms of ids and secrets on each platform. A value in the wrong place is noticed by them before it is stored
//! in clear.
//!
//! Only a certain mistake is refused. An id or a secret of an unknown form is accepted.

use std::ops::RangeInclusive;

/// The known forms of a kind's ids and secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// The beginnings of an id. Empty if they are not known.
    pub id_begins: &'static [&'static str],
    pub secret: SecretForm,
}

/// The form of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretForm {
    Unknown,
    /// This many hexadecimal digits.
    Hex(usize),
    /// This many letters, digits, hyphens and underscores.
    Word(usize),
}

pub const UNKNOWN: Forms = Forms {
    id_begins: &[],
    secret: SecretForm::Unknown,
};

pub const WECHAT: Forms = Forms {
    id_begins: &["wx"],
    secret: SecretForm::Hex(32),
};

/// The forms of a WeCom app. Old corpids begin as an appid does.
pub const WECOM: Forms = Forms {
    id_begins: &["ww", "wx"],
    secret: SecretForm::Word(43),
};

/// The forms of a WeCom suite.
pub const SUITE: Forms = Forms {
    id_begins: &["ww", "wx", "tj", "dk"],
    ..WECOM
};

/// The forms of a customer's corpid and a permanent code.
pub const CUSTOMER: Forms = Forms {
    id_begins: &["ww", "wx", "wp"],
    ..UNKNOWN
};

pub const DOUYIN: Forms = Forms {
    id_begins: &["tt"],
    secret: SecretForm::Hex(40),
};

pub const DINGTALK: Forms = Forms {
    id_begins: &["ding"],
    secret: SecretForm::Word(64),
};

pub const FEISHU: Forms = Forms {
    id_begins: &["cli_"],
    secret: SecretForm::Word(32),
};

/// The lengths of ids that have a known beginning. Every secret is longer.
const ID_LENGTH: RangeInclusive<usize> = 12..=20;

/// A mistake in the order of an id and a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The id has the form of a secret.
    SecretAsId,
    /// The secret has the form of an id, and the id does not.
    IdAsSecret,
}

impl Forms {
    /// Whether an id and a secret are certainly swapped.
    pub fn swapped(&self, id: &str, secret: Option<&str>) -> Option<Swapped> {
        if self.id_begins.iter().any(|begin| id.starts_with(begin)) {
            return None;
        }
        if self.secret.fits(id) {
            return Some(Swapped::SecretAsId);
        }
        secret
            .is_some_and(|secret| self.is_id(secret))
            .then_some(Swapped::IdAsSecret)
    }

    fn is_id(&self, word: &str) -> bool {
        ID_LENGTH.contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && self.id_begins.iter().any(|begin| word.starts_with(begin))
    }
}

impl SecretForm {
    fn fits(self, word: &str) -> bool {
        match self {
            SecretForm::Unknown => false,
            SecretForm::Hex(length) => {
                word.len() == length && word.bytes().all(|b| b.is_ascii_hexdigit())
            }
            SecretForm::Word(length) => {
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
                word.len() == length && word.bytes().all(fits)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Kind;

    const HEX_32: &str = "0123456789abcdef0123456789ABCDEF";

    #[test]
    fn a_swapped_id_and_secret_are_detected_by_their_forms() {
        let word = |length| "aB-_9".repeat(20)[..length].to_owned();
        let hex_40 = format!("{HEX_32}01234567");
        for (kind, id, secret) in [
            ("official", "wx0123456789abcdef", HEX_32.to_owned()),
            ("official_classic", "wx0123456789abcdef", HEX_32.to_owned()),
            ("component", "wx0123456789abcdef", HEX_32.to_owned()),
            ("work", "ww0123456789abcdef", word(43)),
            ("work", "wx0123456789abcdef", word(43)),
            ("suite", "dk0123456789abcdef", word(43)),
            ("douyin", "tt0123456789abcdef", hex_40),
            ("dingtalk", "dingabcdef0123456789", word(64)),
            ("feishu", "cli_0123456789abcdef", HEX_32.to_owned()),
        ] {
            let forms = Kind::named(kind).unwrap().token().forms;
            assert_eq!(forms.swapped(id, Some(&secret)), None, "{kind}");
            let swapped = forms.swapped(&secret, Some(id));
            assert_eq!(swapped, Some(Swapped::SecretAsId), "{kind}");
            let alone = forms.swapped(&secret, None);
            assert_eq!(alone, Some(Swapped::SecretAsId), "{kind}");
            let odd = forms.swapped("a-secret-of-no-known-form", Some(id));
            assert_eq!(odd, Some(Swapped::IdAsSecret), "{kind}");
        }
    }

    #[test]
    fn a_doubtful_id_or_secret_is_accepted() {
        for kind in Kind::all() {
            let forms = kind.token().forms;
            for (id, secret) in [
                ("wx1", "s1"),
                ("corp", "secret"),
                ("corp", "wx1"),
                ("corp", "wx-a-secret-of-some-other-form"),
                ("gh_0123456789ab", HEX_32),
                ("1000000001", "0123456789abcdef"),
            ] {
                let swapped = forms.swapped(id, Some(secret));
                assert_eq!(swapped, None, "{}: {id} {secret}", kind.name());
            }
        }
        // One digit is missing, or one letter is not a hexadecimal digit.
        for id in [&HEX_32[1..], "g123456789abcdef0123456789ABCDEF"] {
            assert_eq!(WECHAT.swapped(id, Some(HEX_32)), None, "{id}");
        }
    }
}
