//! One request and its response: who reads the body when, what the head says about the end.

use std::io;
use std::time::SystemTime;

use super::body;
use super::request::{bad, Framing, Request};
use super::resource::{Resource, PLAIN};
use super::Site;
use crate::peer::Peer;

/// One request under way to its response.
pub(super) struct Exchange<'a> {
    pub site: &'a Site,
    pub peer: &'a mut Peer,
    pub request: Request,
    /// Whether another request may follow, which the response then says.
    pub persistent: bool,
    /// Whether to close although the response did not say so.
    pub hangs_up: bool,
    body_was_read: bool,
}

/// How a response's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Length(u64),
    Chunked,
    Close,
}

/// The fields of a response's head, without those about its end.
pub(super) type Fields<'a> = &'a [(&'a str, String)];

impl<'a> Exchange<'a> {
    pub fn new(site: &'a Site, peer: &'a mut Peer, request: Request) -> Exchange<'a> {
        Exchange {
            site,
            peer,
            persistent: request.is_persistent(),
            request,
            hangs_up: false,
            body_was_read: false,
        }
    }

    /// Reads the request's body, after the yes that the client may be waiting for.
    pub fn read_body(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if std::mem::replace(&mut self.body_was_read, true) {
            return Ok(());
        }
        let framing = self.request.framing;
        if self.request.expects_continue() && framing != Framing::Length(0) {
            self.peer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        body::read(self.peer, framing, take)
    }

    /// Leaves the body unread because the answer is no. A client that waited for a yes then sends
    /// none, so nobody knows where its next request would start (RFC 9110 section 10.1.1).
    pub fn refuse_body(&mut self) -> io::Result<()> {
        match self.request.expects_continue() {
            true => {
                self.persistent = false;
                self.body_was_read = true;
                Ok(())
            }
            false => self.read_body(&mut |_| Ok(())),
        }
    }

    /// Writes the head of the response. Whether a body may follow.
    pub fn start(&mut self, status: u16, fields: Fields, ending: Ending) -> io::Result<bool> {
        // The body comes first: its sender may read nothing before all is sent.
        self.read_body(&mut |_| Ok(()))?;
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        add("Date", &httpdate::fmt_http_date(SystemTime::now()));
        add("Server", "proto-mock");
        for (name, value) in fields {
            add(name, value);
        }
        // RFC 9110 section 8.6: these have no body, and 204 may not even give its length.
        let has_body = !matches!(status, 204 | 304);
        match ending {
            Ending::Length(length) if has_body => add("Content-Length", &length.to_string()),
            Ending::Chunked if has_body => add("Transfer-Encoding", "chunked"),
            Ending::Close => self.persistent = false,
            _ => {}
        }
        match (self.persistent, self.request.minor) {
            (false, _) => add("Connection", "close"),
            (true, 0) => add("Connection", "keep-alive"),
            (true, _) => {}
        }
        head.push_str("\r\n");
        self.peer.write_all(head.as_bytes())?;
        Ok(has_body && self.request.method != "HEAD")
    }

    /// Chunked, or until the connection closes where the client does not know chunks.
    pub fn chunked(&self) -> Ending {
        match self.request.minor {
            0 => Ending::Close,
            _ => Ending::Chunked,
        }
    }

    /// A whole response with a text.
    pub fn say(&mut self, status: u16, fields: Fields, text: impl AsRef<[u8]>) -> io::Result<()> {
        let text = text.as_ref();
        let mut all = vec![("Content-Type", PLAIN.to_owned())];
        all.extend_from_slice(fields);
        if self.start(status, &all, Ending::Length(text.len() as u64))? {
            self.peer.write_all(text)?;
        }
        Ok(())
    }

    /// A whole response that says no more than its status.
    pub fn say_status(&mut self, status: u16) -> io::Result<()> {
        self.say(status, &[], format!("{status} {}\n", reason(status)))
    }

    /// Sends the bytes of a resource from `start` to `end`.
    pub fn send(&mut self, resource: &Resource, start: u64, end: u64) -> io::Result<()> {
        let mut buffer = vec![0; BLOCK];
        let mut offset = start;
        while offset < end {
            let part = read_part(resource, offset, end, &mut buffer)?;
            offset += part.len() as u64;
            self.peer.write_all(part)?;
        }
        Ok(())
    }

    /// The bytes of the request's body, of which only so many may be kept.
    pub fn collect_body(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut kept = Vec::new();
        self.read_body(&mut |part| {
            kept.extend_from_slice(part);
            match kept.len() > most {
                true => Err(bad(413, "the body is too large to be held")),
                false => Ok(()),
            }
        })?;
        Ok(kept)
    }
}

/// How much is read of a resource at once.
const BLOCK: usize = 64 * 1024;

/// Fills as much of the buffer as lies before `end`. A file that became shorter is an error, which
/// closes the connection: the length was already promised.
pub(super) fn read_part<'b>(
    resource: &Resource,
    offset: u64,
    end: u64,
    buffer: &'b mut [u8],
) -> io::Result<&'b [u8]> {
    let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
    let room = left.min(buffer.len());
    let room = buffer.get_mut(..room).unwrap_or_default();
    match resource.read_at(offset, room)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(room.get(..count).unwrap_or_default()),
    }
}

/// The reasons of RFC 9110 section 15 that occur here.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
