//! The parts of a browser's request that the page uses: its cookies, its language, and the page that a form was sent
//! from.

use axum::http::{HeaderMap, header};

use super::super::admission::Call;
use super::words::Language;

/// The session's cookie. Over TLS its name binds it to this host and to TLS (RFC 6265bis).
const SESSION: &str = "wxtoken";
const SESSION_OVER_TLS: &str = "__Host-wxtoken";
const LANGUAGE: &str = "wxtoken-language";
/// The time for which a choice of language is remembered, in seconds.
const A_YEAR_S: u64 = 365 * 24 * 3600;

pub struct Browser<'a> {
    headers: &'a HeaderMap,
    is_over_tls: bool,
}

impl<'a> Browser<'a> {
    /// The browser of a call whose asker is known.
    pub fn of(call: &Call, headers: &'a HeaderMap) -> Browser<'a> {
        // A trusted proxy says by which protocol it was reached.
        let is_behind_proxy = call.asker.as_ref().is_some_and(|asker| !asker.is_direct);
        let proto = headers.get("x-forwarded-proto");
        let said = proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
        Browser {
            headers,
            is_over_tls: call.origin.is_over_tls || (is_behind_proxy && said),
        }
    }

    pub fn session(&self) -> Option<&'a str> {
        self.cookie(self.session_name())
    }

    fn session_name(&self) -> &'static str {
        match self.is_over_tls {
            true => SESSION_OVER_TLS,
            false => SESSION,
        }
    }

    fn cookie(&self, name: &str) -> Option<&'a str> {
        let lines = self.headers.get_all(header::COOKIE).iter();
        let mut pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The header that makes the browser keep a session, or forget it if the cookie is empty.
    pub fn set_session(&self, cookie: &str) -> String {
        let life = match cookie {
            "" => 0,
            _ => super::session::LIFE.as_secs(),
        };
        self.set(self.session_name(), cookie, life)
    }

    pub fn set_language(&self, language: Language) -> String {
        self.set(LANGUAGE, language.tag(), A_YEAR_S)
    }

    fn set(&self, name: &str, value: &str, life_s: u64) -> String {
        let secure = if self.is_over_tls { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={life_s}; HttpOnly; SameSite=Strict{secure}")
    }

    /// The language that was chosen on the page, or else the one that the browser prefers.
    pub fn language(&self) -> Language {
        let chosen = self.cookie(LANGUAGE).and_then(Language::tagged);
        let accepted = self.headers.get(header::ACCEPT_LANGUAGE);
        let accepted = accepted.and_then(|accepted| accepted.to_str().ok());
        chosen.unwrap_or_else(|| Language::accepted(accepted.unwrap_or_default()))
    }

    /// Whether a form was sent from a page of this server and not from another site's. Browsers say so by one of two
    /// headers. A request with neither is not a browser's form.
    pub fn sends_from_here(&self) -> bool {
        let text = |name: &str| self.headers.get(name).map(|value| value.as_bytes());
        if let Some(site) = text("sec-fetch-site") {
            return site == b"same-origin";
        }
        let origin = text("origin").unwrap_or_default();
        let host = text("host").unwrap_or_default();
        let scheme: &[u8] = match self.is_over_tls {
            true => b"https://",
            false => b"http://",
        };
        !host.is_empty() && origin.strip_prefix(scheme) == Some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn browser(headers: &HeaderMap, is_over_tls: bool) -> Browser<'_> {
        Browser {
            headers,
            is_over_tls,
        }
    }

    #[test]
    fn a_form_of_another_site_is_told_apart() {
        let from_here = |fields: &[(&'static str, &str)], is_over_tls| {
            browser(&headers(fields), is_over_tls).sends_from_here()
        };
        let host = ("host", "tokens.example.com:8443");
        let own = "https://tokens.example.com:8443";
        assert!(from_here(&[host, ("origin", own)], true));
        assert!(!from_here(&[host, ("origin", own)], false));
        for other in [
            "null",
            "",
            "https://tokens.example.com",
            "https://tokens.example.com:8443.evil.example",
            "https://evil.example",
        ] {
            assert!(!from_here(&[host, ("origin", other)], true), "{other}");
        }
        assert!(!from_here(&[host], true), "no browser sends a form so");
        assert!(!from_here(&[("origin", "https://")], true));
        // A proxy may rewrite the host, so the browser's own header counts.
        let fetched = |site| from_here(&[("sec-fetch-site", site), ("origin", own)], true);
        assert!(fetched("same-origin"));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!fetched(site), "{site}");
        }
    }

    #[test]
    fn cookies_are_read_by_their_name_and_written_for_this_host_alone() {
        let there = headers(&[
            ("cookie", "a=1; xwxtoken=2;wxtoken=3"),
            ("cookie", "__Host-wxtoken=4"),
        ]);
        assert_eq!(browser(&there, false).session(), Some("3"));
        assert_eq!(browser(&there, true).session(), Some("4"));
        assert_eq!(
            browser(&there, true).set_session("5"),
            "__Host-wxtoken=5; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(
            browser(&there, false)
                .set_session("")
                .contains("; Max-Age=0;")
        );
    }

    #[test]
    fn a_chosen_language_overrides_the_browsers() {
        let english = headers(&[("accept-language", "en-US,en;q=0.9")]);
        assert_eq!(browser(&english, false).language(), Language::English);
        let chosen = headers(&[
            ("accept-language", "en"),
            ("cookie", "wxtoken-language=zh-CN"),
        ]);
        assert_eq!(browser(&chosen, false).language(), Language::Chinese);
    }
}
