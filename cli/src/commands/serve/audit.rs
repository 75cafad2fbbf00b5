//! The audit: a line of JSON for each call, with the client, the request and the result. A line holds names that the
//! store knows, and no text that a caller sent. So neither a query, nor a key, nor a token can be in it.
//!
//! A thread writes the lines, so that a slow disk delays no caller. It writes within milliseconds, in the order of the
//! calls. Lines that find the queue or the disk full are lost, and a later line of the audit says how many.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
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
    lost: Arc<AtomicU64>,
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
        let lost = Arc::new(AtomicU64::new(0));
        let lines = Lines::new(lost.clone());
        let writer = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || write(&read, path, open, lines))
            .map_err(|e| unusable("start a thread for the audit", &e))?;
        Ok(Audit {
            words,
            lost,
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

fn write(words: &Receiver<Word>, path: Option<PathBuf>, mut file: Option<File>, mut lines: Lines) {
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
                    lines.put(file.as_mut());
                    // If the new file cannot be opened, the audit stays with the old one.
                    if let Some(Ok(new)) = path.as_deref().map(append) {
                        lines.is_cut &= new.metadata().is_ok_and(|meta| meta.len() > 0);
                        file = Some(new);
                    }
                }
                Word::Line(event) => {
                    let _ = serde_json::to_writer(&mut lines.waiting, &event);
                    lines.waiting.push(b'\n');
                }
            }
            if !ends && lines.waiting.len() < TOGETHER {
                next = words.try_recv().ok();
            }
        }
        lines.put(file.as_mut());
        if ends {
            return;
        }
    }
}

/// The lines that are to be written next.
struct Lines {
    waiting: Vec<u8>,
    /// Whether the last line was cut off.
    is_cut: bool,
    lost: Arc<AtomicU64>,
}

impl Lines {
    fn new(lost: Arc<AtomicU64>) -> Lines {
        Lines {
            waiting: Vec::new(),
            is_cut: false,
            lost,
        }
    }

    fn put(&mut self, file: Option<&mut File>) {
        match file {
            Some(file) => self.put_to(file),
            None => self.put_to(&mut io::stdout()),
        }
    }

    /// Writes the lines. Those that cannot be written are lost, because the calls matter more than the audit.
    fn put_to(&mut self, to: &mut impl Write) {
        let is_marked = self.is_cut && !self.waiting.is_empty();
        if is_marked {
            // The rest of that line is lost. The next line must not continue it.
            self.waiting.insert(0, b'\n');
        }
        let mut rest = &self.waiting[..];
        while !rest.is_empty() {
            match to.write(rest) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    self.is_cut = rest[count - 1] != b'\n';
                    rest = &rest[count..];
                }
            }
        }
        let ends = rest.iter().filter(|byte| **byte == b'\n').count();
        let has_mark = is_marked && rest.len() == self.waiting.len();
        let lost = ends - usize::from(has_mark);
        self.lost.fetch_add(lost as u64, Ordering::Relaxed);
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for some bytes.
    struct Disk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.written.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_a_full_disk_cuts_off_spoils_no_other_and_lost_lines_are_counted() {
        let lost = Arc::new(AtomicU64::new(0));
        let mut lines = Lines::new(lost.clone());
        let mut disk = Disk {
            room: 12,
            written: Vec::new(),
        };
        let mut put = |room: usize, text: &str| {
            disk.room = room;
            lines.waiting.extend(text.as_bytes());
            lines.put_to(&mut disk);
            String::from_utf8(disk.written.clone()).unwrap()
        };
        assert_eq!(put(8, "{1}\n{2}\n{3}\n"), "{1}\n{2}\n");
        assert_eq!(lost.load(Ordering::Relaxed), 1);
        assert_eq!(put(2, "{4}\n"), "{1}\n{2}\n{4");
        assert_eq!(put(0, "{5}\n"), "{1}\n{2}\n{4");
        let written = put(99, "{6}\n");
        assert_eq!(written, "{1}\n{2}\n{4\n{6}\n");
        assert_eq!(lost.load(Ordering::Relaxed), 3);
        assert_eq!(put(99, "{7}\n"), written + "{7}\n");
    }
}
