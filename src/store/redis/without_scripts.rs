//! The operations of the scripts, for a server that runs none, such as a proxy or one whose ACL lacks @scripting.
//! They use WATCH, MULTI and EXEC on one connection.
//!
//! EXEC does nothing if a watched key has changed since WATCH, so a comparison before it holds. Each answer has the
//! form of a script's answer. The same transaction returns the mark by ECHO and the time by TIME.

use std::io;
use std::time::Instant;

use super::link::Link;
use super::question::{Question, words};
use super::refusal::Refusal;
use super::resp::Reply;
use super::script::What;

type Command = Vec<Vec<u8>>;

/// The most tries of a transaction that other processes keep preventing.
const MOST_TRIES: usize = 100;

/// Whether this refusal of a script means that the server does not run scripts.
pub fn is_lack(refusal: &str) -> bool {
    match Refusal::of(refusal) {
        Refusal::Unknown => true,
        Refusal::NoPermission => refusal.to_ascii_lowercase().contains("eval"),
        _ => false,
    }
}

/// Whether this refusal means that the server does not run transactions either.
pub fn is_lack_too(refusal: &str) -> bool {
    matches!(
        Refusal::of(refusal),
        Refusal::Unknown | Refusal::NoPermission
    )
}

/// The step after a script's reads.
enum Next {
    /// Nothing to write. These are the values of the answer.
    Done(Vec<Reply>),
    /// Commands to write in one transaction, and the function that makes the answer of their replies.
    Write(Vec<Command>, fn(Vec<Reply>) -> Vec<Reply>),
}

/// Asks without a script what the script would.
pub fn ask(link: &mut Link, question: &Question, mark: &str, end: Instant) -> io::Result<Reply> {
    let Question::Script(script, key, args) = question else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let key = key.as_bytes();
    for _ in 0..MOST_TRIES {
        let mut read = Reply::Nothing;
        if let Some(first) = reads_of(script.what, key, args) {
            let mut replies = link.exchange(&[command(&[b"WATCH", key]), first], end)?;
            if let Some(refusal) = refusal_in(&replies) {
                link.exchange(&[words(&["UNWATCH"])], end)?;
                return Ok(refusal);
            }
            read = replies.pop().unwrap_or(Reply::Nothing);
        }
        let next = next_of(script.what, key, args, read);
        if let Some(reply) = transact(link, mark, next, end)? {
            return Ok(reply);
        }
    }
    Ok(Reply::Failure("BUSY the key changes all the time".into()))
}

/// Runs a transaction. Returns None if a watched key has changed.
fn transact(link: &mut Link, mark: &str, next: Next, end: Instant) -> io::Result<Option<Reply>> {
    let mut requests = vec![words(&["MULTI"]), words(&["ECHO", mark]), words(&["TIME"])];
    if let Next::Write(commands, _) = &next {
        requests.extend(commands.iter().cloned());
    }
    requests.push(words(&["EXEC"]));
    let mut replies = link.exchange(&requests, end)?;
    let done = replies.pop().unwrap_or(Reply::Nothing);
    if let Some(refusal) = refusal_in(&replies) {
        // EXEC ends the transaction even if it is refused.
        return Ok(Some(refusal));
    }
    let results = match done {
        Reply::List(results) => results,
        Reply::Nothing => return Ok(None),
        other => return Ok(Some(other)),
    };
    if let Some(refusal) = refusal_in(&results) {
        return Ok(Some(refusal));
    }
    let mut results = results.into_iter();
    let (Some(mark), Some(Reply::List(time))) = (results.next(), results.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let values = match next {
        Next::Done(values) => values,
        Next::Write(_, answer) => answer(results.collect()),
    };
    let parts = std::iter::once(mark).chain(time).chain(values);
    Ok(Some(Reply::List(parts.collect())))
}

fn refusal_in(replies: &[Reply]) -> Option<Reply> {
    let mut replies = replies.iter();
    let refusal = replies.find(|reply| matches!(reply, Reply::Failure(_)));
    refusal.cloned()
}

fn command(parts: &[&[u8]]) -> Command {
    parts.iter().map(|part| part.to_vec()).collect()
}

/// The read that must come before any write.
fn reads_of(what: What, key: &[u8], args: &[Vec<u8>]) -> Option<Command> {
    let is_current = args.first().is_some_and(Vec::is_empty);
    match what {
        What::CompareAndSet | What::DeleteIf => Some(command(&[b"GET", key])),
        What::ChangeFields => Some(command(&[b"HGET", key, b"v"])),
        What::Leave => Some(command(&[b"LLEN", key])),
        What::Account if is_current => Some(command(&[b"HGET", key, b"current"])),
        What::Account | What::AllFields | What::Delete | What::Get | What::Take => None,
    }
}

fn next_of(what: What, key: &[u8], args: &[Vec<u8>], read: Reply) -> Next {
    let arg = |i: usize| args.get(i).map(Vec::as_slice).unwrap_or_default();
    let number = |i: usize| -> i64 {
        let text = std::str::from_utf8(arg(i)).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    match what {
        What::Get => Next::Write(vec![command(&[b"GET", key])], empty_for_none),
        What::Delete => Next::Write(vec![command(&[b"DEL", key])], as_they_are),
        What::AllFields => Next::Write(vec![command(&[b"HGETALL", key])], as_they_are),
        What::Account => account(key, arg(0), read),
        What::CompareAndSet => {
            let there = read.bytes().unwrap_or_default();
            if there != arg(0) {
                return Next::Done(vec![Reply::Integer(0), Reply::Bulk(there)]);
            }
            let set = command(&[b"SET", key, arg(1)]);
            Next::Write(vec![set], |_| {
                vec![Reply::Integer(1), Reply::Bulk(Vec::new())]
            })
        }
        What::DeleteIf => match read.bytes().unwrap_or_default() == arg(0) {
            true => Next::Write(vec![command(&[b"DEL", key])], |_| Vec::new()),
            false => Next::Done(Vec::new()),
        },
        What::ChangeFields => change_fields(key, args, &read.bytes().unwrap_or_default()),
        What::Leave if read.number().unwrap_or_default() >= number(1) => {
            Next::Done(vec![Reply::Integer(0)])
        }
        What::Leave => Next::Write(vec![command(&[b"RPUSH", key, arg(0)])], as_they_are),
        What::Take => {
            let last = (number(0) - 1).to_string();
            let take = [
                command(&[b"LRANGE", key, b"0", last.as_bytes()]),
                command(&[b"LTRIM", key, arg(0), b"-1"]),
            ];
            Next::Write(take.into(), |replies| match replies.into_iter().next() {
                Some(Reply::List(messages)) => messages,
                _ => Vec::new(),
            })
        }
    }
}

fn change_fields(key: &[u8], args: &[Vec<u8>], version: &[u8]) -> Next {
    let [old, new, fields @ ..] = args else {
        return Next::Done(vec![Reply::Integer(0)]);
    };
    if version == new {
        return Next::Done(vec![Reply::Integer(1)]);
    }
    if version != old {
        return Next::Done(vec![Reply::Integer(0)]);
    }
    let mut commands = vec![command(&[b"HSET", key, b"v", new])];
    for pair in fields.chunks_exact(2) {
        commands.push(match pair[1].is_empty() {
            true => command(&[b"HDEL", key, &pair[0]]),
            false => command(&[b"HSET", key, &pair[0], &pair[1]]),
        });
    }
    Next::Write(commands, |_| vec![Reply::Integer(1)])
}

/// The name, the account and the name of the current one. The current name may have been read before.
fn account(key: &[u8], name: &[u8], current: Reply) -> Next {
    let current = current.bytes().unwrap_or_default();
    let name = if name.is_empty() {
        current
    } else {
        name.to_vec()
    };
    let field = [b"a:".as_slice(), &name].concat();
    let commands = vec![
        command(&[b"ECHO", &name]),
        command(&[b"HGET", key, &field]),
        command(&[b"HGET", key, b"current"]),
    ];
    Next::Write(commands, empty_for_none)
}

fn as_they_are(replies: Vec<Reply>) -> Vec<Reply> {
    replies
}

/// Replaces what does not exist by an empty string, as the scripts do.
fn empty_for_none(mut replies: Vec<Reply>) -> Vec<Reply> {
    for reply in &mut replies {
        if *reply == Reply::Nothing {
            *reply = Reply::Bulk(Vec::new());
        }
    }
    replies
}
