//! RESP, the protocol of Redis. A request is a list of strings, and a reply is one of five kinds. The size and depth
//! of a reply are limited.

use std::io::{self, Read};

/// A reply of RESP2. This store does not ask for RESP3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(String),
    /// A refusal in the server's own words, such as `NOPERM …`.
    Failure(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nothing,
    List(Vec<Reply>),
}

impl Reply {
    pub fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Reply::Bulk(bytes) => Some(bytes),
            Reply::Status(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    pub fn text(self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    pub fn number(&self) -> Option<i64> {
        match self {
            Reply::Integer(number) => Some(*number),
            Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// Appends a request to the bytes to be sent.
pub fn put_request<'a>(parts: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", parts.len()).bytes());
    for part in parts {
        out.extend(format!("${}\r\n", part.len()).bytes());
        out.extend(part);
        out.extend(b"\r\n");
    }
}

/// The size limit of a reply. No row and no store's accounts are as large.
const MOST_BYTES: usize = 64 << 20;
const MOST_ITEMS: usize = 1 << 20;
const DEEPEST: usize = 8;
/// The limit of a line. No status, error or number is as long.
const LONGEST_LINE: usize = 4096;

/// Reads one reply.
pub fn read_reply(from: &mut impl Read) -> io::Result<Reply> {
    let mut left = MOST_BYTES;
    read_at(from, DEEPEST, &mut left)
}

fn read_at(from: &mut impl Read, depth: usize, left: &mut usize) -> io::Result<Reply> {
    let line = read_line(from)?;
    let (kind, rest) = line.split_first().ok_or_else(nonsense)?;
    let text = || String::from_utf8_lossy(rest).into_owned();
    let number = || {
        let text = std::str::from_utf8(rest).ok();
        text.and_then(|text| text.parse::<i64>().ok())
            .ok_or_else(nonsense)
    };
    match kind {
        b'+' => Ok(Reply::Status(text())),
        b'-' => Ok(Reply::Failure(text())),
        b':' => Ok(Reply::Integer(number()?)),
        b'$' => match number()? {
            -1 => Ok(Reply::Nothing),
            length => {
                let length = usize::try_from(length).map_err(|_| nonsense())?;
                *left = left.checked_sub(length).ok_or_else(nonsense)?;
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes)?;
                match bytes.split_off(length) == b"\r\n" {
                    true => Ok(Reply::Bulk(bytes)),
                    false => Err(nonsense()),
                }
            }
        },
        b'*' => match number()? {
            -1 => Ok(Reply::Nothing),
            count => {
                let count = usize::try_from(count).map_err(|_| nonsense())?;
                if count > MOST_ITEMS || depth == 0 {
                    return Err(nonsense());
                }
                let items = (0..count).map(|_| read_at(from, depth - 1, left));
                Ok(Reply::List(items.collect::<io::Result<_>>()?))
            }
        },
        _ => Err(nonsense()),
    }
}

/// Reads a line, and returns it without its end.
fn read_line(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() <= LONGEST_LINE {
        from.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' if line.last() == Some(&b'\r') => {
                line.pop();
                return Ok(line);
            }
            byte => line.push(byte),
        }
    }
    Err(nonsense())
}

/// The error of bytes that are not a reply of this protocol.
fn nonsense() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Reply, io::ErrorKind> {
        read_reply(&mut &*text).map_err(|e| e.kind())
    }

    #[test]
    fn each_kind_of_reply_is_read_and_nothing_beyond_it() {
        let bulk = |text: &str| Reply::Bulk(text.into());
        for (text, reply) in [
            ("+OK\r\n", Reply::Status("OK".into())),
            ("-NOPERM no\r\n", Reply::Failure("NOPERM no".into())),
            (":-12\r\n", Reply::Integer(-12)),
            ("$4\r\na\r\nb\r\n", bulk("a\r\nb")),
            ("$0\r\n\r\n", bulk("")),
            ("$-1\r\n", Reply::Nothing),
            ("*-1\r\n", Reply::Nothing),
            ("*0\r\n", Reply::List(vec![])),
            (
                "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
                Reply::List(vec![Reply::Integer(1), Reply::List(vec![bulk("x")])]),
            ),
        ] {
            let two = format!("{text}+next\r\n");
            let mut rest = two.as_bytes();
            assert_eq!(read_reply(&mut rest).unwrap(), reply, "{text}");
            assert_eq!(rest, b"+next\r\n");
            for end in 0..text.len() {
                let cut = read(&text.as_bytes()[..end]);
                assert_eq!(
                    cut,
                    Err(io::ErrorKind::UnexpectedEof),
                    "{text} cut at {end}"
                );
            }
        }
        assert_eq!(bulk("7").number(), Some(7));
        assert_eq!(Reply::Status("OK".into()).text().as_deref(), Some("OK"));
    }

    #[test]
    fn nonsense_is_refused_and_costs_no_memory() {
        let deep = "*1\r\n".repeat(DEEPEST + 1) + ":1\r\n";
        let long = "+".to_owned() + &"x".repeat(LONGEST_LINE + 1);
        let many = format!("*{}\r\n", MOST_ITEMS + 1);
        for bad in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "$x\r\n",
            "$-2\r\n",
            "$99999999999\r\n",
            "$2\r\nabc\r\n",
            "*-2\r\n",
            ":\r\n",
            &deep,
            &long,
            &many,
        ] {
            assert_eq!(
                read(bad.as_bytes()),
                Err(io::ErrorKind::InvalidData),
                "{bad:.40}"
            );
        }
    }

    #[test]
    fn a_request_is_a_list_of_strings() {
        let mut out = Vec::new();
        let parts: [&[u8]; 3] = [b"SET", b"k", b"a\r\nb"];
        put_request(parts.into_iter(), &mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
    }
}
