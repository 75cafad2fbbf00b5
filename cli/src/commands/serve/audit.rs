//! The audit: a line of JSON for each call, with the client, the request and the result. A line holds names that the
//! store knows, and no text that a caller sent. So neither a query, nor a key, nor a token can be in it.
//!
//! A thread writes the lines, so that a slow disk delays no caller. It writes within milliseconds, in the order of the
//! calls. Lines that find the queue full are lost, and a later line of the audit says how many.

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

/// The most lines that may wait to be written.
const WAITING: usize = 10_000;
/// The time that a line waits for others.
const MOMENT: Duration = Duration::from_millis(5);
/// The bytes that one write collects at most.
const TOGETHER: usize = 64 << 10;

#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub time: String,
    pub client: Option<String>,
    pub address: String,
    pub verb: &'static str,
    pub account: Option<String>,
    /// The path of a forwarded call, in plain characters and without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub result: String,
    pub ms: u64,
}

/// The present time in the form of the audit.
pub fn time() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The present time in Unix seconds.
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
    /// Starts the audit to this file, or to stdout.
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

    /// Writes the lines that are left, and ends the thread.
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
        // Lines that come close together share a write. To wake this thread for each would cost a call more than its
        // answer does.
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
                    // If the new file cannot be opened, the audit stays with the old one.
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

/// Writes the lines. Errors are ignored, because the calls matter more than the audit.
fn put(lines: &mut Vec<u8>, file: Option<&mut File>) {
    let _ = match file {
        Some(file) => file.write_all(lines),
        None => io::stdout().write_all(lines),
    };
    lines.clear();
}
