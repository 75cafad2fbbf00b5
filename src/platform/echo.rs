//! Tells whether a stranger's text repeats a secret. A gateway that refuses a request may send parts of it back: cut,
//! in another case, with blanks, or in the encodings of requests and logs.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// The length in characters of a part of a secret. Shorter pieces occur in other words by chance.
const PART: usize = 8;
/// The characters of a secret's base64 that surely hold [`PART`] of its characters.
const ENCODED_PART: usize = 11;
/// The number of encodings that may be nested.
const MAX_DEPTH: usize = 3;
/// The most readings of one text.
const MAX_READINGS: usize = 256;

/// Whether `text` holds a part of one of the secrets, in any form.
pub(super) fn repeats<'s>(text: &str, secrets: impl IntoIterator<Item = &'s str>) -> bool {
    let secrets: Vec<&str> = secrets.into_iter().map(random_part).collect();
    if secrets.iter().all(|secret| secret.is_empty()) {
        return false;
    }
    let readings = readings(text);
    secrets
        .iter()
        .any(|secret| readings.iter().any(|reading| holds(reading, secret)))
}

/// A secret without the fixed word that begins all of its kind, such as `refreshtoken@@@`.
fn random_part(secret: &str) -> &str {
    secret.rsplit("@@@").next().unwrap_or(secret)
}

fn holds(reading: &str, secret: &str) -> bool {
    if secret.len() < PART {
        return holds_word(&reading.to_ascii_lowercase(), &secret.to_ascii_lowercase());
    }
    let words = letters(reading);
    let shares = |fold: fn(&str) -> Zeroizing<String>, text: &str, most: usize| {
        let (text, secret) = (fold(text), fold(secret));
        let parts = secret.as_bytes().windows(most);
        parts
            .map(|part| std::str::from_utf8(part).unwrap_or_default())
            .any(|part| text.contains(part))
    };
    shares(without_blanks, reading, PART)
        || shares(letters, reading, PART)
        || base64_of(secret).iter().any(|encoded| {
            let parts = encoded.as_bytes().windows(ENCODED_PART);
            parts
                .map(|part| std::str::from_utf8(part).unwrap_or_default())
                .any(|part| words.contains(part))
        })
}

/// Whether a text holds a secret that is shorter than a part, as a separate word.
fn holds_word(text: &str, secret: &str) -> bool {
    let is_apart = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    !secret.is_empty()
        && text.match_indices(secret).any(|(at, found)| {
            is_apart(text[..at].chars().next_back())
                && is_apart(text[at + found.len()..].chars().next())
        })
}

fn without_blanks(text: &str) -> Zeroizing<String> {
    let kept = text.chars().filter(|c| !c.is_whitespace());
    Zeroizing::new(kept.map(|c| c.to_ascii_lowercase()).collect())
}

fn letters(text: &str) -> Zeroizing<String> {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    Zeroizing::new(kept.map(|c| c.to_ascii_lowercase()).collect())
}

/// The base64 of a secret in small letters, at each offset that it may have among other bytes.
fn base64_of(secret: &str) -> Vec<Zeroizing<String>> {
    (0..3)
        .map(|before| {
            let mut bytes = Zeroizing::new(vec![0; before]);
            bytes.extend_from_slice(secret.as_bytes());
            let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*bytes));
            // A character at an end may hold bits of a neighbouring byte.
            let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            letters(&encoded[first..last])
        })
        .collect()
}

/// A text, and every text that it may encode.
fn readings(text: &str) -> Vec<Zeroizing<String>> {
    let mut all = vec![Zeroizing::new(text.to_owned())];
    let mut from = 0;
    for _ in 0..MAX_DEPTH {
        let until = all.len();
        for place in from..until {
            let reading = all[place].clone();
            for decoded in decoded(&reading) {
                if all.len() < MAX_READINGS && !all.contains(&decoded) {
                    all.push(decoded);
                }
            }
        }
        from = until;
    }
    all
}

fn decoded(text: &str) -> Vec<Zeroizing<String>> {
    let spaceless: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
    let mut all = vec![escapes_decoded(text), escapes_decoded(&spaceless)];
    for text in [text, &spaceless] {
        all.extend(hex_decoded(text));
        all.extend(base64_decoded(text));
    }
    all
}

/// Decodes `%41`, `\u0041`, `\x41`, `\/` and `&#x41;`.
fn escapes_decoded(text: &str) -> Zeroizing<String> {
    let mut rest = text;
    let mut decoded = Zeroizing::new(String::new());
    while let Some(c) = rest.chars().next() {
        let digits = |at: usize, count: usize, radix: u32| {
            let digits = rest.get(at..at + count)?;
            let code = u32::from_str_radix(digits, radix).ok()?;
            Some((char::from_u32(code)?, at + count))
        };
        let entity = |begin: &str, radix: u32| {
            let count = rest.strip_prefix(begin)?.find(';').filter(|n| *n < 7)?;
            let (c, end) = digits(begin.len(), count, radix)?;
            Some((c, end + 1))
        };
        let read = match c {
            '%' => digits(1, 2, 16),
            '\\' if rest[1..].starts_with('u') => digits(2, 4, 16),
            '\\' if rest[1..].starts_with('x') => digits(2, 2, 16),
            // The character after a backslash stands for itself, or for one that no secret has.
            '\\' => rest[1..].chars().next().map(|c| (c, 1 + c.len_utf8())),
            '&' => entity("&#x", 16).or_else(|| entity("&#", 10)),
            _ => None,
        };
        let (c, length) = read.unwrap_or((c, c.len_utf8()));
        decoded.push(c);
        rest = &rest[length..];
    }
    decoded
}

/// Decodes each run of characters that belong to an alphabet.
fn runs_decoded(
    text: &str,
    is_of_alphabet: fn(u8) -> bool,
    shortest: usize,
    decode: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Vec<Zeroizing<String>> {
    let runs = text.as_bytes().split(|byte| !is_of_alphabet(*byte));
    runs.filter(|run| run.len() >= shortest)
        .filter_map(decode)
        .map(Zeroizing::new)
        .map(|bytes| Zeroizing::new(bytes.iter().map(|byte| char::from(*byte)).collect()))
        .collect()
}

fn hex_decoded(text: &str) -> Vec<Zeroizing<String>> {
    let from = |offset: usize| {
        let is_hex = |byte: u8| byte.is_ascii_hexdigit();
        runs_decoded(text, is_hex, 2 * PART, move |run| {
            let pairs = run[offset..].chunks_exact(2);
            pairs
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect()
        })
    };
    [from(0), from(1)].concat()
}

/// Decodes base64 at each of four offsets, because a run may be cut at its beginning.
fn base64_decoded(text: &str) -> Vec<Zeroizing<String>> {
    let from = |offset: usize| {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
        runs_decoded(text, is_base64, ENCODED_PART, move |run| {
            let whole = (run.len() - offset) / 4 * 4;
            let run = &run[offset..offset + whole];
            let standard = STANDARD_NO_PAD.decode(run);
            standard.or_else(|_| URL_SAFE_NO_PAD.decode(run)).ok()
        })
    };
    (0..4).flat_map(from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    const SYMBOLS: &str = "p+q/r=s~t&u\"v\\w%x'y<z>Q!R@S#T$U^";

    fn percent(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    fn url_encoded(text: &str) -> String {
        let encoded = text.chars().map(|c| match c.is_ascii_alphanumeric() {
            true => c.to_string(),
            false => percent(&c.to_string()),
        });
        encoded.collect()
    }

    fn spaced(text: &str, between: &str) -> String {
        let letters: Vec<String> = text.chars().map(String::from).collect();
        letters.join(between)
    }

    fn json(text: &str) -> String {
        serde_json::to_string(text).unwrap()
    }

    /// Every form in which a gateway may send a value back.
    fn forms(secret: &str) -> Vec<String> {
        let body = format!(
            r#"{{"appid":"wx1","secret":{},"force":false}}"#,
            json(secret)
        );
        let query = format!(
            "grant_type=client_credential&secret={}",
            url_encoded(secret)
        );
        let unicode: String = secret
            .chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect();
        let entities: String = secret
            .chars()
            .map(|c| format!("&#{};", u32::from(c)))
            .collect();
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let in_base64 = |text: &str| STANDARD_NO_PAD.encode(text);
        let mut forms = vec![
            secret.to_owned(),
            secret.to_uppercase(),
            secret.to_lowercase(),
            spaced(secret, " "),
            spaced(secret, "\t "),
            json(secret),
            json(&json(secret)),
            percent(secret),
            url_encoded(secret),
            url_encoded(&url_encoded(secret)),
            percent(&percent(secret)),
            unicode,
            entities,
            hex.clone(),
            hex.to_uppercase(),
            in_base64(secret),
            in_base64(secret).to_uppercase(),
            spaced(&in_base64(secret), " "),
            in_base64(&body),
            in_base64(&query),
            in_base64(&in_base64(&body)),
            url_encoded(&in_base64(&body)),
            URL_SAFE_NO_PAD.encode(&body),
            body,
            query,
        ];
        // Cut at either end, and at both.
        for begin in 0..=secret.len() - PART {
            for end in begin + PART..=secret.len() {
                forms.push(secret[begin..end].to_owned());
            }
            forms.push(url_encoded(&secret[begin..begin + PART]));
            forms.push(spaced(&secret[begin..begin + PART], " "));
        }
        // An encoded secret that is cut. This many characters hold a part of the secret, wherever they begin.
        let encoded = in_base64(secret);
        for begin in 0..encoded.len() - 16 {
            forms.push(encoded[begin..begin + 16].to_owned());
        }
        forms
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        for secret in [HEX, SYMBOLS, &format!("refreshtoken@@@{HEX}")] {
            let own = random_part(secret);
            for form in forms(own) {
                for text in [
                    form.clone(),
                    format!("invalid credential, got {form} rid: 6565a1b2-0123abcd"),
                ] {
                    assert!(repeats(&text, [secret]), "{own}: {text}");
                    assert!(repeats(&text, ["another-one", secret]), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_platforms_own_words_are_not_taken_for_a_secret() {
        let hex = "9aa8b7c6d5e4f3021120313243546576";
        for said in [
            "invalid appsecret rid: 6565a1b2-0123abcd-89ef4567",
            "invalid credential, access_token is invalid or not latest, hints: [ req_id: 7KbHzA ]",
            "refresh_token is invalid rid: 6565a1b2-0123abcd-89ef4567",
            "refreshtoken@@@ is not the form",
            "component ticket is expired",
            "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist",
            "不合法的凭证",
            "%",
            "%zz\\",
            "\\u12",
            "&#;",
            "",
        ] {
            let refresh = format!("refreshtoken@@@{hex}");
            let ticket = format!("ticket@@@{hex}{hex}");
            assert!(!repeats(said, [hex, SYMBOLS, &refresh, &ticket]), "{said}");
        }
        assert!(!repeats("a part of 7: 0f1e2d3", [HEX]));
        assert!(!repeats("anything", [""]));
    }

    #[test]
    fn an_escape_decodes_to_its_character_and_an_invalid_one_stays() {
        for (text, read) in [
            ("%41", "A"),
            ("\\u0041", "A"),
            ("\\x41", "A"),
            ("\\/0041", "/0041"),
            ("\\/41", "/41"),
            ("&#x41;&#65;", "AA"),
            ("&#65;B", "AB"),
            ("&#000065;", "A"),
            ("&#0000065;", "&#0000065;"),
            ("%4", "%4"),
            ("\\", "\\"),
        ] {
            assert_eq!(*escapes_decoded(text), read, "{text}");
        }
    }

    #[test]
    fn the_readings_of_a_text_are_limited() {
        let runs: Vec<String> = (0..2 * MAX_READINGS)
            .map(|number| format!("{number:016x}"))
            .collect();
        assert_eq!(readings(&runs.join(" ")).len(), MAX_READINGS);
    }

    #[test]
    fn hexadecimal_is_decoded_with_blanks_and_from_the_length_of_a_part() {
        let hex = |text: &str| -> String { text.bytes().map(|b| format!("{b:02x}")).collect() };
        assert!(repeats(&spaced(&hex(SYMBOLS), " "), [SYMBOLS]));
        assert_eq!(hex_decoded(&hex(&SYMBOLS[..PART])).len(), 2);
        assert!(hex_decoded(&hex(&SYMBOLS[..PART - 1])).is_empty());
    }

    #[test]
    fn the_base64_of_a_secret_leaves_out_characters_shared_with_neighbours() {
        let secret = "secretsecret";
        let pieces = base64_of(secret);
        let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
        assert_eq!(lengths, [16, 15, 15]);
        for (before, piece) in pieces.iter().enumerate() {
            let text = [vec![0xff; before], secret.into(), b"zz".to_vec()].concat();
            let encoded = letters(&STANDARD_NO_PAD.encode(text));
            assert!(encoded.contains(piece.as_str()), "{before}");
        }
    }

    #[test]
    fn a_secret_as_long_as_a_part_is_found_within_another_word() {
        let secret = &HEX[..PART];
        assert!(repeats(&format!("x{secret}y"), [secret]));
    }

    #[test]
    fn a_short_secret_is_found_only_as_a_word() {
        for (text, is_there) in [
            ("got pw12", true),
            ("secret=PW12&x", true),
            ("secret%3Dpw12%26", true),
            ("cHcxMiBwdzEyIHB3MTI", true),
            ("pw123", false),
        ] {
            assert_eq!(repeats(text, ["pw12"]), is_there, "{text}");
        }
    }
}
