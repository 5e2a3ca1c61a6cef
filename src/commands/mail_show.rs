//! `proto mail-show FILE...`: a message for people.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use proto_transport::escape::{escaped, escaped_text};
use proto_transport::{Error, Result};
use serde_json::{json, Value};
use time::format_description::well_known::Rfc3339;

use crate::exit_code::{exit_code, worst, DATA, OK};
use crate::mail::view::{charset, header_text, name_of, Attachment, Part, View, LARGEST_MESSAGE};
use crate::mail::{messages, Message, Summary};
use crate::output::{writing, PartFile};
use crate::report::json_line;
use crate::safe_name::safe_name;

/// Show a message: decoded headers, parts, text, attachments.
#[derive(clap::Args)]
pub struct Args {
    /// Messages: files, mbox files, Maildir folders, or - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show every header field, not only those that a reader wants
    #[arg(long)]
    all_headers: bool,
    /// Write the decoded bytes of this part (1, 2.1, ...) and nothing else
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["all_headers", "json", "save_attachments"])]
    part: Option<String>,
    /// Save every attachment to this folder under a new name, and tell name, type and size of each
    #[arg(long, value_name = "DIR", conflicts_with = "all_headers")]
    save_attachments: Option<PathBuf>,
    /// One JSON object a line: a message, or with --save-attachments a file
    #[arg(long, help_heading = "Results")]
    json: bool,
}

/// The fields that a reader wants, in this order.
const WANTED: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Newsgroups",
    "Date",
    "Subject",
    "Message-ID",
];

/// Shows each message in turn; one failure does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let is_stdin = |path: &&PathBuf| path.as_os_str() == "-";
    if args.files.iter().filter(is_stdin).count() > 1 {
        return Err(Error::illegal("stdin (-) can be read only once"));
    }
    if let Some(folder) = &args.save_attachments {
        fs::create_dir_all(folder).map_err(|error| writing(folder, error))?;
    }
    let mut show = Show {
        args,
        with_names: args.files.len() > 1,
        is_terminal: std::io::stdout().is_terminal(),
        taken: HashMap::new(),
    };
    let mut codes = Vec::new();
    for path in &args.files {
        match messages(std::slice::from_ref(path), true) {
            Ok(found) => {
                show.with_names |= found.len() > 1;
                codes.extend(found.iter().map(|message| show.told(message)));
            }
            Err(error) => {
                crate::tell(&error);
                codes.push(exit_code(&error));
            }
        }
    }
    Ok(worst(codes))
}

struct Show<'a> {
    args: &'a Args,
    /// Whether it must be told which message is which.
    with_names: bool,
    is_terminal: bool,
    /// How often each name has been given to a file.
    taken: HashMap<String, usize>,
}

impl Show<'_> {
    /// Shows a message, and tells what went wrong.
    fn told(&mut self, message: &Message) -> u8 {
        self.message(message).unwrap_or_else(|error| {
            crate::tell(&error);
            exit_code(&error)
        })
    }

    fn message(&mut self, message: &Message) -> Result<u8> {
        let bytes = message.whole(LARGEST_MESSAGE)?;
        let view = View::of(&bytes);
        let mut notes = view.notes.clone();
        match (&self.args.part, &self.args.save_attachments) {
            (Some(number), _) => self.part(message, &view, number)?,
            (_, Some(folder)) => self.save(message, &view, folder)?,
            _ if self.args.json => print(json_row(message, &view, &mut notes)?.as_bytes())?,
            _ => print(self.text(message, &view, &mut notes).as_bytes())?,
        }
        // Of a thousand fields of one name, once is enough.
        notes.dedup();
        for note in &notes {
            crate::warn(&escaped(format!("{}: {note}", message.name()).as_bytes()));
        }
        Ok(if notes.is_empty() { OK } else { DATA })
    }

    /// A part as it is, but harmless on a terminal.
    fn part(&self, message: &Message, view: &View<'_>, number: &str) -> Result<()> {
        let Some(bytes) = view.part(number) else {
            let name = message.name();
            return Err(Error::illegal(format!("{name} has no part {number:?}")));
        };
        match self.is_terminal {
            true => print(escaped_text(&bytes).as_bytes()),
            false => print(&bytes),
        }
    }

    fn save(&mut self, message: &Message, view: &View<'_>, folder: &Path) -> Result<()> {
        for attachment in &view.attachments {
            let file = self.save_one(&view.bytes(attachment), folder, &file_name(attachment))?;
            let row = match self.args.json {
                false => format!(
                    "{}\t{}\t{}\n",
                    escaped(file.as_bytes()),
                    escaped(attachment.content_type.as_bytes()),
                    attachment.size
                ),
                true => {
                    let attachment = attachment_json(attachment);
                    let message = message.name();
                    json_text(&json!({"message": message, "file": file, "attachment": attachment}))?
                }
            };
            print(row.as_bytes())?;
        }
        Ok(())
    }

    /// Writes a file under the first name that nothing has yet: `a.txt`, `a-2.txt`, ...
    fn save_one(&mut self, bytes: &[u8], folder: &Path, name: &str) -> Result<String> {
        let count = self.taken.entry(name.to_owned()).or_insert(0);
        loop {
            *count += 1;
            let name = numbered(name, *count);
            let path = folder.join(&name);
            if fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            match write_new(&path, bytes) {
                // It has appeared this moment.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(name),
            }
        }
    }

    fn text(&self, message: &Message, view: &View<'_>, notes: &mut Vec<String>) -> String {
        let mut text = String::new();
        if self.with_names {
            text.push_str(&format!("==> {} <==\n", escaped(message.name().as_bytes())));
        }
        match self.args.all_headers {
            true => push_fields(&mut text, view.fields(), notes),
            false => {
                for name in WANTED {
                    let fields = view.values(name).map(|value| (name.as_bytes(), value));
                    push_fields(&mut text, fields, notes);
                }
            }
        }
        text.push('\n');
        if view.parts.len() > 1 || !view.attachments.is_empty() {
            push_parts(&mut text, view);
            text.push('\n');
        }
        if view.is_html {
            text.push_str("[HTML, shown without its tags]\n\n");
        }
        text.push_str(&escaped_text(view.text.as_bytes()));
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| Error::io("writing to stdout", error))
}

/// A field a line, whatever its value holds.
fn push_fields<'f>(
    text: &mut String,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    notes: &mut Vec<String>,
) {
    for (name, value) in fields {
        let (value, is_whole) = header_text(value);
        let name = escaped(name);
        if !is_whole {
            notes.push(undecodable(&name));
        }
        text.push_str(&format!("{name}: {}\n", escaped(value.as_bytes())));
    }
}

fn undecodable(name: &str) -> String {
    format!("not all of the field {name} could be decoded")
}

/// A part a line, indented by what it lies in; then the files in the text.
fn push_parts(text: &mut String, view: &View<'_>) {
    for (part, size) in view.parts.iter().zip(&view.sizes) {
        let indent = "  ".repeat(part.depth);
        let mut line = format!("{indent}{} {}", part.number, part.content_type.value);
        if let Some(charset) = charset(part) {
            line.push_str(&format!("; charset={charset}"));
        }
        if let Some(disposition) = &part.disposition {
            line.push_str(&format!(", {}", disposition.value));
        }
        if let Some(name) = name_of(part) {
            line.push_str(&format!(" \"{name}\""));
        }
        line.push_str(&format!(", {size} bytes"));
        text.push_str(&escaped(line.as_bytes()));
        text.push('\n');
    }
    for attachment in view.attachments.iter().filter(|one| one.is_in_text()) {
        let name = attachment.name.as_deref().unwrap_or_default();
        let Attachment {
            part,
            size,
            content_type,
            ..
        } = attachment;
        let line = format!("in {part} {content_type} \"{name}\", {size} bytes");
        text.push_str(&escaped(line.as_bytes()));
        text.push('\n');
    }
}

fn json_row(message: &Message, view: &View<'_>, notes: &mut Vec<String>) -> Result<String> {
    let mut headers = Vec::new();
    for (name, value) in view.fields() {
        let (value, is_whole) = header_text(value);
        let name = String::from_utf8_lossy(name);
        if !is_whole {
            notes.push(undecodable(&name));
        }
        headers.push(json!([name, value]));
    }
    let summary = Summary::of(view.header());
    let date = summary.date.and_then(|date| date.format(&Rfc3339).ok());
    let date_written = view.values("Date").next().map(|value| header_text(value).0);
    let parts = view.parts.iter().zip(&view.sizes);
    json_text(&json!({
        "message": message.name(),
        "headers": headers,
        "from": view.people("From"),
        "to": view.people("To"),
        "cc": view.people("Cc"),
        "from_written": summary.from,
        "date": date,
        "date_written": date_written,
        "subject": summary.subject,
        "message_id": summary.message_id,
        "parts": parts.map(|(part, size)| part_json(part, *size)).collect::<Vec<_>>(),
        "text": view.text,
        "is_html": view.is_html,
        "attachments": view.attachments.iter().map(attachment_json).collect::<Vec<_>>(),
        "notes": notes,
    }))
}

fn json_text(value: &Value) -> Result<String> {
    json_line(value).map_err(|error| Error::io("writing to stdout", error.into()))
}

fn part_json(part: &Part, size: usize) -> Value {
    json!({
        "number": part.number,
        "type": part.content_type.value,
        "charset": charset(part),
        "disposition": part.disposition.as_ref().map(|disposition| &disposition.value),
        "name": name_of(part),
        "size": size,
    })
}

fn attachment_json(attachment: &Attachment) -> Value {
    json!({
        "part": attachment.part,
        "name": attachment.name,
        "type": attachment.content_type,
        "size": attachment.size,
    })
}

/// A harmless name for an attachment: the sender's if anything is left of it, or else the number of
/// its part.
fn file_name(attachment: &Attachment) -> String {
    let nothing = safe_name("");
    let suggested = attachment.name.as_deref().unwrap_or_default();
    let name = safe_name(suggested);
    if name != nothing || suggested.ends_with(&nothing) {
        return name;
    }
    // Most subtypes are what people call such files: png, pdf, zip.
    let subtype = attachment
        .content_type
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let is_short = subtype.len() < 5 && subtype.bytes().all(|b| b.is_ascii_alphanumeric());
    let extension = match attachment.content_type.as_str() {
        "message/rfc822" | "message/global" => "eml",
        _ if is_short && !subtype.is_empty() => subtype,
        _ => "bin",
    };
    format!("part-{}.{extension}", attachment.part)
}

/// The same name for the first, another for each that follows.
fn numbered(name: &str, count: usize) -> String {
    if count < 2 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}-{count}.{extension}"),
        _ => format!("{name}-{count}"),
    }
}

/// Writes a file that nobody sees before it is whole, and that replaces nothing.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = PartFile::begin_small(path, false)?;
    match part.file().write_all(bytes) {
        Ok(()) => part.commit(),
        Err(error) => {
            part.abandon();
            Err(writing(path, error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_before_their_extension() {
        for (name, count, wanted) in [
            ("a.txt", 1, "a.txt"),
            ("a.txt", 2, "a-2.txt"),
            ("a", 3, "a-3"),
            ("a.tar.gz", 2, "a.tar-2.gz"),
        ] {
            assert_eq!(numbered(name, count), wanted);
        }
    }
}
