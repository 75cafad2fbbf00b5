//! The refusals of a server, in words and with a remedy.

use crate::error::Error;
use crate::store::RedisUrl;

/// A refusal, told by the first word of the server's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoLogin,
    WrongLogin,
    NoPermission,
    Loading,
    ReadOnly,
    OutOfMemory,
    CannotPersist,
    Busy,
    NoReplicas,
    MasterDown,
    ClusterDown,
    TryAgain,
    Moved,
    WrongType,
    NoScript,
    Unknown,
    Other,
}

impl Refusal {
    pub fn of(message: &str) -> Refusal {
        let first = message.split_whitespace().next().unwrap_or_default();
        match first {
            "NOAUTH" => Refusal::NoLogin,
            "WRONGPASS" => Refusal::WrongLogin,
            "NOPERM" => Refusal::NoPermission,
            "LOADING" => Refusal::Loading,
            "READONLY" => Refusal::ReadOnly,
            "OOM" => Refusal::OutOfMemory,
            "MISCONF" => Refusal::CannotPersist,
            "BUSY" => Refusal::Busy,
            "NOREPLICAS" => Refusal::NoReplicas,
            "MASTERDOWN" => Refusal::MasterDown,
            "CLUSTERDOWN" => Refusal::ClusterDown,
            "TRYAGAIN" => Refusal::TryAgain,
            "MOVED" | "ASK" | "CROSSSLOT" => Refusal::Moved,
            "WRONGTYPE" => Refusal::WrongType,
            "NOSCRIPT" => Refusal::NoScript,
            // Redis 6 wraps the refusal of a command in a script: "ERR Error running script …: -OOM command …".
            "ERR" if wrapped(message).is_some() => {
                wrapped(message).map_or(Refusal::Other, Refusal::of)
            }
            "ERR" if message.contains("nknown command") => Refusal::Unknown,
            "ERR" if message.contains("without any password configured") => Refusal::WrongLogin,
            _ => Refusal::Other,
        }
    }

    /// The cause in words, and the remedy.
    fn told(self, url: &RedisUrl) -> (&'static str, String) {
        let acl = || {
            let user = match url.user.as_str() {
                "" => "default",
                user => user,
            };
            let prefix = &url.prefix;
            format!(
                "Let that user use the store: ACL SETUSER {user} ~{prefix}:* +@read +@write +@scripting +role +time +ping +select +wait +asking."
            )
        };
        match self {
            Refusal::NoLogin => (
                "the server asks for a password",
                "Give it in the URL, redis://:PASSWORD@HOST, or in the file that WXTOKEN_STORE_PASSWORD_FILE names.".into(),
            ),
            Refusal::WrongLogin => (
                "the server does not take this user name and password",
                "Correct them in the URL, or in the file that WXTOKEN_STORE_PASSWORD_FILE names.".into(),
            ),
            Refusal::NoPermission => ("the server forbids this user to do that", acl()),
            Refusal::Loading => (
                "the server is reading its data from disk",
                "Wait until it has started.".into(),
            ),
            Refusal::ReadOnly => (
                "the server is a replica, which takes no writes",
                "Name the master in the URL.".into(),
            ),
            Refusal::OutOfMemory => (
                "the server has used up its memory (maxmemory)",
                "Raise maxmemory, or keep other programs' data elsewhere. With maxmemory-policy noeviction no token is thrown away.".into(),
            ),
            Refusal::CannotPersist => (
                "the server cannot write its data to disk, and takes no writes",
                "See the server's log: the disk may be full, or its directory not writable.".into(),
            ),
            Refusal::Busy => (
                "the server is busy with a script of some program",
                "End that script: SCRIPT KILL.".into(),
            ),
            Refusal::NoReplicas => (
                "the server has fewer replicas than min-replicas-to-write asks for",
                "Start its replicas, or lower min-replicas-to-write.".into(),
            ),
            Refusal::MasterDown => (
                "the server is a replica that has lost its master",
                "Start the master, or name it in the URL.".into(),
            ),
            Refusal::ClusterDown => (
                "the cluster is down",
                "See which of its nodes are missing: CLUSTER INFO.".into(),
            ),
            Refusal::Moved => (
                "the server is a node of a cluster",
                "Name it as one: redis+cluster://HOST1,HOST2.".into(),
            ),
            Refusal::TryAgain => (
                "the cluster is moving the store's keys to another node",
                "Wait until that is done.".into(),
            ),
            Refusal::WrongType => (
                "a key of the store is another program's",
                "Name a prefix of the store's own in the URL: ?prefix=NAME.".into(),
            ),
            Refusal::Unknown => (
                "the server does not know a command that the store takes",
                "Name a Redis server of version 6 or later, or a proxy that lets EVAL, EVALSHA and ROLE through.".into(),
            ),
            Refusal::NoScript | Refusal::Other => (
                "the server refused a command",
                "See the server's log.".into(),
            ),
        }
    }
}

/// The refusal inside a script's error, from its code on.
fn wrapped(message: &str) -> Option<&str> {
    let (_, inner) = message.split_once(": -")?;
    Some(inner)
}

/// The error of a call that the server refused. Little of the server's own message is shown, since it may quote the
/// question.
pub fn error_of(url: &RedisUrl, doing: &str, message: &str) -> Error {
    let refusal = Refusal::of(message);
    let (why, advice) = refusal.told(url);
    let code: String = wrapped(message)
        .unwrap_or(message)
        .chars()
        .take_while(|c| c.is_ascii_uppercase())
        .collect();
    let said = match (refusal, code.as_str()) {
        (Refusal::NoPermission, _) => format!(": {}", forbidden(message)),
        (_, "") => String::new(),
        (_, code) => format!(" ({code})"),
    };
    Error::store(format!("{doing} store {url}"))
        .because(format!("{why}{said}"))
        .advise(advice)
}

/// The command or key that an ACL forbids. This part of Redis's message names nothing secret.
fn forbidden(message: &str) -> String {
    let said = message.trim_start_matches("NOPERM").trim();
    said.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> String {
        let url = RedisUrl::parse("redis://joe:hush@h/0?prefix=p")
            .unwrap()
            .unwrap();
        error_of(&url, "cannot read", message).for_c()
    }

    #[test]
    fn each_refusal_has_words_and_a_remedy_of_its_own() {
        let messages = [
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOPERM this user has no permissions to run the 'evalsha' command",
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write against a read only replica.",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "MISCONF Redis is configured to save RDB snapshots, but",
            "BUSY Redis is busy running a script.",
            "NOREPLICAS Not enough good replicas to write.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "MOVED 3999 127.0.0.1:6381",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR unknown command `EVALSHA`",
            "ERR what is this",
        ];
        let all: Vec<String> = messages.iter().map(|message| told(message)).collect();
        for (i, one) in all.iter().enumerate() {
            assert!(
                one.starts_with("cannot read store redis://joe:***@h:6379?prefix=p: "),
                "{one}"
            );
            assert!(one.contains("hint: ") && !one.contains("hush"), "{one}");
            assert!(!all[i + 1..].contains(one), "{one}");
        }
        assert!(
            all[2].contains("'evalsha'") && all[2].contains("ACL SETUSER joe ~p:*"),
            "{}",
            all[2]
        );
    }

    #[test]
    fn a_refusal_inside_a_script_reads_like_one_outside() {
        let wrapped = "ERR Error running script (call to f_16c2): @user_script:4: -OOM command not allowed when used memory";
        assert_eq!(Refusal::of(wrapped), Refusal::OutOfMemory);
        assert_eq!(told(wrapped), told("OOM command not allowed"));
        assert_eq!(Refusal::of("ERR wrong number of arguments"), Refusal::Other);
    }
}
