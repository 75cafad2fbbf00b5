//! The scripts that run on the server. Each answer begins with the mark that its question carried, and with the
//! server's time.
//!
//! A script touches one key, `KEYS[1]`. It is called by its hash, and sent whole to a server that does not know it.
//! The mark shows that the answer belongs to this question.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::resp::Reply;

pub struct Script {
    pub what: What,
    pub text: &'static str,
}

/// The operation of each script, for a server that runs none (`without_scripts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Get,
    CompareAndSet,
    Delete,
    AllFields,
    ChangeFields,
    Leave,
    Take,
    DeleteIf,
    Account,
}

/// Returns the value of a string, or an empty one if the key does not exist.
pub static GET: Script = script(
    What::Get,
    "local t = redis.call('TIME')
return {ARGV[1], t[1], t[2], redis.call('GET', KEYS[1]) or ''}",
);

/// Writes `ARGV[3]` if the value is `ARGV[2]`, byte by byte. Returns 1, or 0 and the value that is there.
pub static COMPARE_AND_SET: Script = script(
    What::CompareAndSet,
    "local t = redis.call('TIME')
local there = redis.call('GET', KEYS[1]) or ''
if there ~= ARGV[2] then return {ARGV[1], t[1], t[2], 0, there} end
redis.call('SET', KEYS[1], ARGV[3])
return {ARGV[1], t[1], t[2], 1, ''}",
);

/// Deletes a key.
pub static DELETE: Script = script(
    What::Delete,
    "local t = redis.call('TIME')
return {ARGV[1], t[1], t[2], redis.call('DEL', KEYS[1])}",
);

/// Returns every field of a hash, each followed by its value.
pub static ALL_FIELDS: Script = script(
    What::AllFields,
    "local t = redis.call('TIME')
return {ARGV[1], t[1], t[2], redis.call('HGETALL', KEYS[1])}",
);

/// Changes fields of a hash if its field `v` is `ARGV[2]`, and sets `v` to `ARGV[3]`. Then come pairs of a field and
/// its value. An empty value deletes the field. Returns whether `v` is `ARGV[3]` now, which is also true if this
/// change was made before.
pub static CHANGE_FIELDS: Script = script(
    What::ChangeFields,
    "local t = redis.call('TIME')
local v = redis.call('HGET', KEYS[1], 'v') or ''
if v == ARGV[3] then return {ARGV[1], t[1], t[2], 1} end
if v ~= ARGV[2] then return {ARGV[1], t[1], t[2], 0} end
redis.call('HSET', KEYS[1], 'v', ARGV[3])
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return {ARGV[1], t[1], t[2], 1}",
);

/// Appends a message to a list of at most `ARGV[3]`. Returns its length, or 0 if it is full.
pub static LEAVE: Script = script(
    What::Leave,
    "local t = redis.call('TIME')
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return {ARGV[1], t[1], t[2], 0} end
return {ARGV[1], t[1], t[2], redis.call('RPUSH', KEYS[1], ARGV[2])}",
);

/// Takes the first `ARGV[2]` messages out of a list.
pub static TAKE: Script = script(
    What::Take,
    "local t = redis.call('TIME')
local out = redis.call('LRANGE', KEYS[1], 0, ARGV[2] - 1)
redis.call('LTRIM', KEYS[1], ARGV[2], -1)
table.insert(out, 1, t[2])
table.insert(out, 1, t[1])
table.insert(out, 1, ARGV[1])
return out",
);

/// Deletes a key if its value is `ARGV[2]`.
pub static DELETE_IF: Script = script(
    What::DeleteIf,
    "local t = redis.call('TIME')
if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('DEL', KEYS[1]) end
return {ARGV[1], t[1], t[2]}",
);

/// Looks up an account by its name, `ARGV[2]`, or the current one. Returns the name, the account, and the name of the
/// current one.
pub static ACCOUNT: Script = script(
    What::Account,
    "local t = redis.call('TIME')
local current = redis.call('HGET', KEYS[1], 'current') or ''
local name = ARGV[2]
if name == '' then name = current end
return {ARGV[1], t[1], t[2], name, redis.call('HGET', KEYS[1], 'a:' .. name) or '', current}",
);

const fn script(what: What, text: &'static str) -> Script {
    Script { what, text }
}

impl Script {
    /// The hash by which EVALSHA calls the script. It is computed each time: a child that is forked while another
    /// thread fills a `OnceLock` would wait for ever.
    pub fn hash(&self) -> String {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, self.text.as_bytes());
        let bytes = hash.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The answer of a script.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The server's time, in microseconds since 1970.
    pub time_us: i64,
    pub values: Vec<Reply>,
}

/// Takes the mark and the time off an answer. Returns None unless it is the answer to the question with this mark.
pub fn answer(reply: Reply, mark: &str) -> Option<Answer> {
    let Reply::List(items) = reply else {
        return None;
    };
    let mut items = items.into_iter();
    if items.next()?.text()? != mark {
        return None;
    }
    let seconds = items.next()?.number()?;
    let micros = items.next()?.number()?;
    Some(Answer {
        time_us: seconds.checked_mul(1_000_000)?.checked_add(micros)?,
        values: items.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_equals_that_of_redis() {
        // The value that `redis-cli script load "return 1"` prints.
        assert_eq!(
            script(What::Get, "return 1").hash(),
            "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
        );
    }

    #[test]
    fn an_answer_to_another_question_is_refused() {
        let bulk = |text: &str| Reply::Bulk(text.into());
        let reply = || Reply::List(vec![bulk("m"), bulk("12"), bulk("34"), Reply::Integer(1)]);
        let taken = answer(reply(), "m").unwrap();
        assert_eq!(taken.time_us, 12_000_034);
        assert_eq!(taken.values, [Reply::Integer(1)]);
        assert_eq!(answer(reply(), "n"), None);
        assert_eq!(answer(Reply::Integer(1), "m"), None);
        assert_eq!(answer(Reply::List(vec![bulk("m"), bulk("12")]), "m"), None);
    }
}
