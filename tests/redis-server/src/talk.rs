//! A client of a few lines, which shares no code with the library.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Failure(String),
    Integer(i64),
    Nothing,
    List(Vec<Value>),
}

impl Value {
    pub fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            other => panic!("{other:?} is not a text"),
        }
    }

    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            other => panic!("{other:?} is not a list"),
        }
    }
}

pub struct Client(BufReader<UnixStream>);

impl Client {
    pub fn connect(socket: &Path) -> io::Result<Client> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Client(BufReader::new(stream)))
    }

    pub fn ask(&mut self, command: &[&str]) -> io::Result<Value> {
        self.send(command)?;
        self.read()
    }

    pub fn send(&mut self, command: &[&str]) -> io::Result<()> {
        let mut out = format!("*{}\r\n", command.len());
        for part in command {
            out += &format!("${}\r\n{part}\r\n", part.len());
        }
        self.0.get_mut().write_all(out.as_bytes())
    }

    pub fn read(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => Value::Text(rest.into()),
            "-" => Value::Failure(rest.into()),
            ":" => Value::Integer(number()?),
            _ if number()? < 0 => Value::Nothing,
            "$" => {
                let mut bytes = vec![0; usize::try_from(number()?).map_err(io::Error::other)? + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Value::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            "*" => {
                let items = (0..number()?).map(|_| self.read());
                Value::List(items.collect::<io::Result<_>>()?)
            }
            other => panic!("{other}{rest} is not a reply"),
        })
    }
}
