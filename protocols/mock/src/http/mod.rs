//! A web site for tests: HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112) with persistent connections,
//! pipelining, conditions and ranges; and [paths](BEHAVIOURS) that do to a client what servers do.
//!
//! | file | what it knows |
//! |---|---|
//! | `request.rs`, `body.rs` | what the client says, read strictly |
//! | `exchange.rs` | one request and its response |
//! | `resource.rs`, `files.rs` | what there is to serve |
//! | `condition.rs` | which part of it is asked for, if any |
//! | `deliver.rs` | the ways in which it is sent |
//! | `guard.rs` | who may come in |
//! | `behaviours.rs` | the paths under `/mock/` |

mod behaviours;
mod body;
mod condition;
mod deliver;
mod exchange;
mod files;
mod guard;
mod request;
mod resource;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;

pub use behaviours::BEHAVIOURS;
pub use guard::{Protection, Scheme};
pub use resource::fill;

use self::exchange::Exchange;
use self::guard::Nonces;
use self::request::{Bad, Request};
use crate::peer::Peer;
use crate::server::Service;
use crate::stop::locked;

/// A web site.
#[derive(Default)]
pub struct Site {
    /// The folder whose files are served; without one there is only what lies under `/mock/`.
    pub root: Option<PathBuf>,
    /// What protects the whole site.
    pub protect: Option<Protection>,
    requests: Mutex<Vec<String>>,
    flaky: Mutex<HashMap<String, u64>>,
    editions: AtomicU64,
    nonces: Nonces,
}

/// How many requests are logged; what comes later is not.
const LOG: usize = 10_000;

/// How long a connection may be idle between two requests.
const IDLE: Duration = Duration::from_secs(60);

impl Site {
    /// A site that serves the files in a folder.
    pub fn new(root: impl Into<PathBuf>) -> Site {
        Site {
            root: Some(root.into()),
            ..Site::default()
        }
    }

    /// The requests so far, each as its connection's number and its first line, escaped:
    /// `1 GET /index.html HTTP/1.1`.
    pub fn requests(&self) -> Vec<String> {
        locked(&self.requests).clone()
    }

    fn log(&self, connection: usize, head: &[u8]) {
        let line = head.split(|byte| *byte == b'\r').next();
        let line = escaped(line.unwrap_or_default());
        let mut requests = locked(&self.requests);
        if requests.len() < LOG {
            requests.push(format!("{connection} {line}"));
        }
    }

    fn next_edition(&self) -> u64 {
        self.editions.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("root", &self.root)
            .field("protect", &self.protect)
            .finish_non_exhaustive()
    }
}

impl Service for Site {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        loop {
            match serve_one(self, peer, connection) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return complain(peer, error),
            }
        }
    }
}

/// Serves one request. Whether another may follow.
fn serve_one(site: &Site, peer: &mut Peer, connection: usize) -> io::Result<bool> {
    peer.set_deadline(Some(Instant::now() + IDLE));
    let request = Request::read(peer)?;
    peer.set_deadline(None);
    let Some(request) = request else {
        return Ok(false);
    };
    site.log(connection, &request.head);
    let path = request.path().to_owned();
    let mut exchange = Exchange::new(site, peer, request);
    let welcome = match &site.protect {
        Some(protection) => behaviours::let_in(&mut exchange, protection)?,
        None => true,
    };
    if welcome {
        behaviours::answer(&mut exchange, &path)?;
    }
    Ok(exchange.persistent && !exchange.hangs_up)
}

/// Answers what is no request, and closes: nobody knows where the next one would start.
fn complain(peer: &mut Peer, error: io::Error) -> io::Result<()> {
    let found = error.get_ref().and_then(|error| error.downcast_ref());
    let too_long = Bad {
        status: 400,
        why: "a line is too long",
    };
    let bad = match found {
        Some(bad) => bad,
        None if error.kind() == io::ErrorKind::InvalidData => &too_long,
        None => return Err(error),
    };
    let (status, reason) = (bad.status, exchange::reason(bad.status));
    let text = format!("{}\n", bad.why);
    let length = text.len();
    let head = format!("HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    peer.write_all(head.as_bytes())?;
    peer.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
