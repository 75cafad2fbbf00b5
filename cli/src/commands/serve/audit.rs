//! The audit: a line of JSON for each call, of who asked for what and what came of it. A line is made of names that the store
//! knows, and never of what a caller sent: neither a query, nor a key, nor a token can be in it.
//!
//! A thread writes, so that a slow disk holds no caller up: within milliseconds, and in the order of the calls. Lines that it
//! cannot keep up with are counted, and said so.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde::Serialize;

use super::unusable;
use crate::exit::Failure;

/// Lines that may wait to be written.
const WAITING: usize = 10_000;
/// How long a line waits for others.
const MOMENT: Duration = Duration::from_millis(5);
/// How many bytes are written at once.
const TOGETHER: usize = 64 << 10;

#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub time: String,
    pub client: Option<String>,
    pub address: String,
    pub verb: &'static str,
    pub account: Option<String>,
    /// Of a forwarded call: plain characters, and never a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub result: String,
    pub ms: u64,
}

/// When an event is of, as it is written.
pub fn time() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The same in Unix seconds.
pub fn seconds() -> i64 {
    Utc::now().timestamp()
}

enum Word {
    Line(Box<Event>),
    Reopen,
    End,
}

pub struct Audit {
    words: SyncSender<Word>,
    lost: AtomicU64,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// To this file, or to stdout.
    pub fn start(file: Option<&Path>) -> Result<Audit, Failure> {
        let open = file.map(append).transpose();
        let path = file.map(Path::to_owned);
        let open = open.map_err(|e| {
            let path = path.as_deref().unwrap_or(Path::new(""));
            unusable(&format!("write the audit to {}", path.display()), &e)
        })?;
        let (words, read) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || write(&read, path, open))
            .map_err(|e| unusable("start a thread for the audit", &e))?;
        Ok(Audit {
            words,
            lost: AtomicU64::new(0),
            writer: Mutex::new(Some(writer)),
        })
    }

    pub fn note(&self, event: Event) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let gap = Event {
                client: None,
                address: String::new(),
                verb: "audit",
                account: None,
                path: None,
                result: format!("{lost} lines lost"),
                ms: 0,
                ..event.clone()
            };
            self.send(gap, lost);
        }
        self.send(event, 1);
    }

    fn send(&self, event: Event, stands_for: u64) {
        if self.words.try_send(Word::Line(Box::new(event))).is_err() {
            self.lost.fetch_add(stands_for, Ordering::Relaxed);
        }
    }

    pub fn reopen(&self) {
        let _ = self.words.try_send(Word::Reopen);
    }

    /// Writes what there is.
    pub fn end(&self) {
        let _ = self.words.send(Word::End);
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        if let Some(writer) = writer {
            writer.thread().unpark();
            let _ = writer.join();
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

fn write(words: &Receiver<Word>, path: Option<PathBuf>, mut file: Option<File>) {
    let mut lines = Vec::new();
    while let Ok(first) = words.recv() {
        // The lines of a moment go in one write. To wake this thread for each would cost a call more than its answer.
        if !matches!(first, Word::End) {
            std::thread::park_timeout(MOMENT);
        }
        let mut next = Some(first);
        let mut ends = false;
        while let Some(word) = next.take() {
            match word {
                Word::End => ends = true,
                Word::Reopen => {
                    put(&mut lines, file.as_mut());
                    // One that cannot be opened leaves the one before.
                    if let Some(Ok(new)) = path.as_deref().map(append) {
                        file = Some(new);
                    }
                }
                Word::Line(event) => {
                    let _ = serde_json::to_writer(&mut lines, &event);
                    lines.push(b'\n');
                }
            }
            if !ends && lines.len() < TOGETHER {
                next = words.try_recv().ok();
            }
        }
        put(&mut lines, file.as_mut());
        if ends {
            return;
        }
    }
}

/// The calls matter more than an audit that cannot be written.
fn put(lines: &mut Vec<u8>, file: Option<&mut File>) {
    let _ = match file {
        Some(file) => file.write_all(lines),
        None => io::stdout().write_all(lines),
    };
    lines.clear();
}
