//! Faults row 56, forwarding: calls of clients that hold a stand-in, and never a token.

mod calls;
mod guarded;
mod streams;
mod who;

use super::*;

/// The path that clients call in these tests.
const USER_INFO: &str = "/cgi-bin/user/info";

/// A desk with an official account, a corp, and a client that may have calls forwarded for both.
struct Office {
    desk: Desk,
    serving: Serving,
    key: String,
}

impl Office {
    fn open() -> Office {
        Office::with(&[])
    }

    fn with(words: &[&str]) -> Office {
        let desk = Desk::with_shop();
        desk.world.add("work", "ww1", json!({}));
        desk.register("corp", "work", "ww1");
        let key = desk.client("web", &["--allow", "forward"]);
        let mut all = vec!["--listen", "http://127.0.0.1:0"];
        all.extend(words);
        let serving = Serving::with(&desk, &all);
        Office { desk, serving, key }
    }

    fn stand_in(&self) -> String {
        stand_in(&self.serving, &self.key)
    }

    fn corps_stand_in(&self) -> String {
        let path = format!("/cgi-bin/gettoken?corpid=ww1&corpsecret={}", self.key);
        text(&self.serving.wechat(&path), "access_token")
    }

    /// The tokens that the platform has minted for an id.
    fn real_tokens(&self, id: &str) -> Vec<String> {
        let tokens = self.desk.world.sim.tokens(Some(id));
        let all = tokens.as_array().unwrap().iter();
        all.map(|one| one["token"].as_str().unwrap().to_owned())
            .collect()
    }

    fn real_token(&self, id: &str) -> String {
        self.real_tokens(id).pop().unwrap()
    }

    /// The requests that reached the platform on a path.
    fn seen(&self, path: &str) -> Vec<Value> {
        let all = self.desk.world.sim.requests(None);
        let of_path = all
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["path"] == path);
        of_path.cloned().collect()
    }

    /// Ends the server, and asserts that neither its log nor its audit holds a secret.
    fn end(self, canaries: &[&str]) {
        let Office { desk, serving, key } = self;
        let real: Vec<String> = ["wx1", "ww1"]
            .iter()
            .flat_map(|id| {
                let tokens = desk.world.sim.tokens(Some(id));
                let all = tokens.as_array().unwrap().clone();
                all.into_iter()
                    .map(|one| one["token"].as_str().unwrap().to_owned())
            })
            .collect();
        let mut all: Vec<&str> = real.iter().map(String::as_str).collect();
        all.extend([&*key, SECRET]);
        all.extend(canaries);
        has_none_of(&serving.end(), &all);
    }
}

fn stand_in(serving: &Serving, key: &str) -> String {
    text(&serving.wechat(&classic("wx1", key)), "access_token")
}

fn text(answer: &Answer, field: &str) -> String {
    let said = answer.json();
    let text = said[field].as_str();
    text.unwrap_or_else(|| panic!("no {field} in {answer:?}"))
        .to_owned()
}

fn with_token(path: &str, token: &str) -> String {
    format!("{path}?access_token={token}&openid=oDemo")
}
