//! The name of the authority at the root of a certificate chain, for a message. It reads DER from a stranger.
//! Anything that it does not understand yields None.

/// The longest name that is shown, in characters.
const MAX_NAME: usize = 60;

/// The name of the authority that signed the last certificate of the chain, which begins with the host's.
pub(super) fn issuer_of(host: &[u8], others: &[&[u8]]) -> Option<String> {
    let mut last = names(host)?;
    // The order of a chain is not reliable, and it may be a circle.
    for _ in 0..=others.len() {
        let mut parsed = others.iter().filter_map(|other| names(other));
        match parsed.find(|next| next.subject == last.issuer && next.issuer != last.issuer) {
            Some(next) => last = next,
            None => break,
        }
    }
    let words = words(last.issuer)?;
    let plain = words.replace(|c: char| c.is_control() || c == '"', " ");
    Some(plain.chars().take(MAX_NAME).collect())
}

struct Names<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
}

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 6;

/// The names in a certificate. RFC 5280 has version, serial number, signature, issuer, validity and subject.
fn names(certificate: &[u8]) -> Option<Names<'_>> {
    let (_, certificate, _) = element(certificate)?;
    let (_, signed, _) = element(certificate)?;
    let (first, _, rest) = element(signed)?;
    let rest = match first {
        0xa0 => element(rest)?.2,
        _ => rest,
    };
    let (_, _, rest) = element(rest)?;
    let (kind, issuer, rest) = element(rest)?;
    let (_, _, rest) = element(rest)?;
    let (_, subject, _) = element(rest)?;
    (kind == SEQUENCE).then_some(Names { issuer, subject })
}

/// The common name in a distinguished name. Without one, the organization or its unit.
fn words(name: &[u8]) -> Option<String> {
    const COMMON_NAME: u8 = 3;
    const ORGANIZATION: u8 = 10;
    const UNIT: u8 = 11;
    let part = |wanted| {
        let mut sets = name;
        while let Some((_, set, rest)) = element(sets) {
            sets = rest;
            let (_, pair, _) = element(set)?;
            let (kind, id, value) = element(pair)?;
            let (form, text, _) = element(value)?;
            if kind == OBJECT_ID && id == [0x55, 4, wanted] && !text.is_empty() {
                return Some(text_of(form, text));
            }
        }
        None
    };
    part(COMMON_NAME)
        .or_else(|| part(ORGANIZATION))
        .or_else(|| part(UNIT))
}

fn text_of(form: u8, text: &[u8]) -> String {
    const BMP_STRING: u8 = 0x1e;
    match form {
        BMP_STRING => {
            let units: Vec<u16> = text
                .chunks_exact(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(text).into_owned(),
    }
}

/// The tag and the content of an element, and the bytes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, 0x82];
        bytes.extend((content.len() as u16).to_be_bytes());
        bytes.extend(content);
        bytes
    }

    fn name(parts: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let sets = parts.iter().map(|(id, form, text)| {
            let pair = [der(6, &[0x55, 4, *id]), der(*form, text)].concat();
            der(0x31, &der(0x30, &pair))
        });
        der(0x30, &sets.collect::<Vec<_>>().concat())
    }

    fn certificate(issuer: &[u8], subject: &[u8]) -> Vec<u8> {
        let signed = [
            &der(0xa0, &[2, 1, 2]),
            &der(2, &[1]),
            &der(0x30, &[]),
            issuer,
            &der(0x30, &[]),
            subject,
        ];
        der(0x30, &der(0x30, &signed.concat()))
    }

    #[test]
    fn the_issuer_is_the_authority_at_the_root_of_the_chain() {
        let root = name(&[(10, 0x13, b"Org"), (3, 0x0c, "根 CA".as_bytes())]);
        let middle = name(&[(3, 0x0c, b"Middle")]);
        let leaf = name(&[(3, 0x0c, b"host")]);
        let (host, inner) = (certificate(&middle, &leaf), certificate(&root, &middle));
        assert_eq!(issuer_of(&host, &[]).as_deref(), Some("Middle"));
        assert_eq!(issuer_of(&host, &[&inner]).as_deref(), Some("根 CA"));
        // The chain also holds its own root, and a certificate that does not belong to it.
        let own = certificate(&root, &root);
        let other = certificate(&leaf, &leaf);
        assert_eq!(
            issuer_of(&host, &[&other, &own, &inner]).as_deref(),
            Some("根 CA")
        );
        // Two certificates that sign each other.
        let circle = certificate(&middle, &root);
        assert!(issuer_of(&host, &[&inner, &circle]).is_some());
        let only_unit = name(&[(11, 0x1e, &[0x56, 0xfd, 0, b'A'])]);
        assert_eq!(
            issuer_of(&certificate(&only_unit, &leaf), &[]).as_deref(),
            Some("国A")
        );
    }

    #[test]
    fn a_name_is_one_short_line_and_garbage_has_none() {
        let long = name(&[(3, 0x0c, "a\n\"b".repeat(50).as_bytes())]);
        let shown = issuer_of(&certificate(&long, &long), &[]).unwrap();
        assert!(
            shown.chars().count() <= MAX_NAME && !shown.contains(['\n', '"']),
            "{shown:?}"
        );
        let whole = certificate(&long, &long);
        for end in 0..whole.len() {
            assert_eq!(issuer_of(&whole[..end], &[]), None);
            let mut bad = whole.clone();
            bad[end] ^= 0xff;
            let _ = issuer_of(&bad, &[&bad]);
        }
    }
}
