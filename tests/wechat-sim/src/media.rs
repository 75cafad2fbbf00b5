//! Uploaded files, for download. Only the last few are kept.

use std::collections::VecDeque;

use crate::{
    errcodes::Code::{self, Number},
    http::{Reply, Request},
};

/// The number of files that are kept.
const MOST: usize = 8;

/// The files by media_id.
#[derive(Debug, Default)]
pub struct Media {
    files: VecDeque<(String, Vec<u8>)>,
    uploads: u64,
}

impl Media {
    /// Keeps the file of a multipart body. The answer has its media_id in the place of `{id}`.
    pub fn keep(&mut self, request: &Request, answer: &str) -> Result<Reply, Code> {
        let file = file_in(request).ok_or(Number(41005))?;
        self.uploads += 1;
        let id = format!("media-{}", self.uploads);
        let said = answer.replace("{id}", &id);
        self.files.push_back((id, file.to_vec()));
        if self.files.len() > MOST {
            self.files.pop_front();
        }
        Ok(Reply::json_text(200, &said))
    }

    /// The file with this media_id.
    pub fn give(&self, id: Option<&str>) -> Result<Reply, Code> {
        let found = self.files.iter().find(|(known, _)| Some(&**known) == id);
        let (_, file) = found.ok_or(Number(40007))?;
        Ok(Reply {
            status: 200,
            headers: vec![
                ("Content-Type".into(), "application/octet-stream".into()),
                (
                    "Content-Disposition".into(),
                    "attachment; filename=\"file.bin\"".into(),
                ),
            ],
            body: file.clone(),
            close: false,
        })
    }
}

/// The content of the first part that has a file name.
fn file_in(request: &Request) -> Option<&[u8]> {
    let kind = request.header("content-type")?;
    let boundary = kind.split_once("boundary=")?.1.trim_matches('"');
    let boundary = format!("--{boundary}");
    let body = &request.body[..];
    let mut rest = body;
    loop {
        rest = &rest[find(rest, boundary.as_bytes())? + boundary.len()..];
        let head = find(rest, b"\r\n\r\n")?;
        let end = find(rest, format!("\r\n{boundary}").as_bytes())?;
        if find(&rest[..head], b"filename").is_some() {
            return rest.get(head + 4..end);
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    loop {
        from += text.get(from..)?.iter().position(|byte| *byte == first)?;
        if text[from..].starts_with(what) {
            return Some(from);
        }
        from += 1;
    }
}
