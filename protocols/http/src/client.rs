//! The conversation: requests over persistent connections, redirects and credentials.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use proto_transport::framing::{Step, Violation};
use proto_transport::{
    Body, Connection, Connector, Endpoint, Error, Facts, Framing, Length, Proxy, ProxyKind, Result,
    UntilClose, Url,
};

use crate::authorize::{Authorization, Authorizer};
use crate::chunked::Chunked;
use crate::pool::{Idle, Pool};
use crate::redirect::{follow, Redirects};
use crate::reply::{
    body_length, keeps_alive, parse_field_line, parse_status_line, BodyLength, Head,
};
use crate::request::{Request, Target};

/// An HTTP client: one connector, its idle connections, and what it knows of credentials.
pub struct Client {
    connector: Connector,
    pool: Pool,
    redirects: Redirects,
    authorizer: Authorizer,
    /// Servers that could not cope with requests made ahead.
    wary: HashSet<Endpoint>,
}

/// One step of a chain of redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The URL that was asked.
    pub url: Url,
    /// The status that led on.
    pub status: u16,
}

/// How a response came to be.
#[derive(Debug, Clone, Default)]
pub struct Exchanged {
    /// Whether it came over a connection that had given an earlier response.
    pub reused: bool,
    /// From the start of the request to the first line of its response.
    pub first_byte: Duration,
}

/// Informational responses that may precede one response.
const INFORMATIONAL: usize = 32;

/// Fields and bytes of one head. Real heads have up to 100 fields in 16 KiB; curl takes 300 KiB.
const HEAD_FIELDS: usize = 256;
const HEAD_BYTES: usize = 256 * 1024;

/// Requests that are made ahead at most. Few enough that their heads fit any socket buffer while the
/// server is busy answering.
const AHEAD: usize = 8;

/// A response behind which requests may wait.
const SHORT: u64 = 64 * 1024;

/// A body that nobody wants is read up to this size to keep its connection.
const DISCARD: u64 = 64 * 1024;

/// And for so long: a new connection takes no longer.
const PATIENCE: Duration = Duration::from_secs(1);

impl Client {
    /// A client that connects by `connector`.
    pub fn new(mut connector: Connector) -> Client {
        connector.limits.line = connector.limits.line.min(HEAD_BYTES);
        Client {
            connector,
            pool: Pool::default(),
            redirects: Redirects::default(),
            authorizer: Authorizer::default(),
            wary: HashSet::new(),
        }
    }

    /// Sets which redirects are followed.
    pub fn follow_redirects(&mut self, redirects: Redirects) {
        self.redirects = redirects;
    }

    /// Asks a server for one thing at a time from now on.
    pub fn never_ask_ahead(&mut self, target: &Target) {
        self.wary.insert(target.endpoint.clone());
    }

    /// Sets who answers when a server asks who we are.
    pub fn log_in_with(&mut self, authorizer: Authorizer) {
        self.authorizer = authorizer;
    }

    /// Sends a request, follows redirects, logs in where that is asked for, and gives the final
    /// response, whatever its status. `hops` is told of each redirect, also when one fails.
    pub fn send(&mut self, mut request: Request, hops: &mut Vec<Hop>) -> Result<Response<'_>> {
        let first = request.target.clone();
        loop {
            let reply = self.send_authorized(&mut request)?;
            // A limit of zero means: take a redirect as the answer.
            let next = match self.redirects.limit {
                0 => None,
                _ => follow(&request, &reply.head, self.redirects)?,
            };
            let Some(next) = next else {
                return Ok(Response {
                    may_ask_ahead: !self.wary.contains(&reply.idle.endpoint),
                    pool: &mut self.pool,
                    url: request.target.url().clone(),
                    reply,
                });
            };
            hops.push(Hop {
                url: request.target.url().clone(),
                status: reply.head.status,
            });
            if hops.len() > self.redirects.limit {
                return Err(Error::TooLarge {
                    what: format!("{}: the chain of redirects", first.endpoint),
                    limit: self.redirects.limit as u64,
                });
            }
            reply.discard(&mut self.pool);
            request = next;
        }
    }

    /// One request, and once or twice more if the server asks who we are: with the strongest
    /// mechanism it offers, and again only if it says that its nonce was stale.
    fn send_authorized(&mut self, request: &mut Request) -> Result<Reply> {
        if request.has_field("Authorization") {
            return self.exchange(request, None);
        }
        let mut authorization = self.authorizer.known(request)?;
        let mut attempts = usize::from(authorization.is_some());
        loop {
            let reply = self.exchange(request, authorization.take())?;
            if reply.head.status != 401 || request.content.is_some() || attempts >= 2 {
                return Ok(reply);
            }
            match self.authorizer.answer(request, &reply.head, attempts > 0)? {
                Some(value) => authorization = Some(value),
                None => return Ok(reply),
            }
            attempts += 1;
            reply.discard(&mut self.pool);
        }
    }

    /// One request and its response. A reused connection may have been closed by the server while it
    /// was idle; if it dies before the first byte of a response, an idempotent request is made
    /// once more over a new one (RFC 9112 section 9.3.1).
    fn exchange(
        &mut self,
        request: &mut Request,
        authorization: Option<Authorization>,
    ) -> Result<Reply> {
        let endpoint = request.target.endpoint.clone();
        let authorization = authorization.as_ref();
        if let Some(mut idle) = self.pool.take(&endpoint) {
            let asked = idle.ahead.pop_front();
            let as_asked = asked.as_ref().is_none_or(|asked| asked.is_same(request));
            if as_asked && (asked.is_none() || authorization.is_none()) {
                let connection = &mut idle.connection;
                let heard = connection.heard();
                let told = self.converse(connection, request, authorization, asked.is_some());
                let silent = connection.heard() == heard && !connection.has_unread();
                match told {
                    Err(error) if self.may_repeat(request, &error, silent, asked.is_some()) => {}
                    result => {
                        let authorized = authorization.is_some();
                        return result.map(|told| told.reply(idle, authorized));
                    }
                }
            }
        }
        let mut idle = Idle {
            connection: self.open(&endpoint)?,
            endpoint,
            ahead: VecDeque::new(),
            has_served: false,
        };
        let told = self.converse(&mut idle.connection, request, authorization, false)?;
        Ok(told.reply(idle, authorization.is_some()))
    }

    /// Whether a request that failed on a reused connection is made once more on a new one: when the
    /// server may never have seen it, or when our haste may have confused the server.
    fn may_repeat(&mut self, request: &Request, error: &Error, silent: bool, ahead: bool) -> bool {
        if !request.method.is_idempotent() || request.content.is_some() {
            return false;
        }
        match error {
            Error::Closed { .. } if silent => {}
            Error::Closed { .. } | Error::TimedOut { .. } | Error::Malformed { .. } if ahead => {}
            _ => return false,
        }
        if ahead {
            self.wary.insert(request.target.endpoint.clone());
        }
        true
    }

    fn open(&self, endpoint: &Endpoint) -> Result<Connection> {
        let mut connection = match self.plain_proxy(endpoint) {
            Some(proxy) => self.connector.connect_to_proxy(proxy)?,
            None => self.connector.connect(endpoint)?,
        };
        connection.blank_replies(&["set-cookie:"]);
        Ok(connection)
    }

    /// The proxy that is asked in absolute form (RFC 9112 section 3.2.2): an HTTP proxy for an http
    /// URL. All others tunnel.
    fn plain_proxy(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        let tunnels = endpoint.scheme != "http"
            || self.connector.connect_to.is_some()
            || self.connector.unix_socket.is_some();
        let proxy = self.connector.proxies.choose(endpoint)?;
        (!tunnels && proxy.kind == ProxyKind::Http).then_some(proxy)
    }

    /// Makes a request, unless that was done ahead, and reads the head of its response.
    fn converse(
        &self,
        connection: &mut Connection,
        request: &mut Request,
        authorization: Option<&Authorization>,
        asked: bool,
    ) -> Result<Told> {
        let started = Instant::now();
        let sent = match asked {
            true => Ok(()),
            false => {
                connection.doing("sending the request");
                let proxy = self.plain_proxy(&request.target.endpoint);
                write_head(connection, request, proxy, authorization)?;
                send_content(connection, request)
            }
        };
        connection.doing("reading the response");
        let head = match sent {
            Ok(()) => read_head(connection)?,
            // A server that refuses early may close before it has read everything; its answer
            // counts (RFC 9112 section 9.6).
            Err(error @ Error::Closed { .. }) => read_head(connection).map_err(|_| error)?,
            Err(error) => return Err(error),
        };
        let first_byte = started.elapsed();
        let length = body_length(request.method.is_head(), &head)
            .map_err(|broken| connection.malformed(broken.0, b""))?;
        connection.doing("reading the body");
        Ok(Told {
            head,
            length,
            first_byte,
        })
    }
}

fn write_head(
    connection: &mut Connection,
    request: &Request,
    proxy: Option<&Proxy>,
    authorization: Option<&Authorization>,
) -> Result<()> {
    let mut lines = request.lines(proxy.is_some());
    let end = lines.pop();
    let proxy_authorization = proxy.and_then(Proxy::authorization);
    if let Some((scheme, secret)) = &proxy_authorization {
        lines.push((format!("Proxy-Authorization: {scheme}"), Some(secret)));
    }
    if let Some(authorization) = authorization {
        let shown = format!("Authorization: {} ", authorization.scheme);
        lines.push((shown, Some(&authorization.value)));
    }
    for (shown, secret) in lines.into_iter().chain(end) {
        match secret {
            Some(secret) => connection.write_secret_line(shown, secret.reveal())?,
            None => connection.write_line(shown)?,
        }
    }
    Ok(())
}

fn send_content(connection: &mut Connection, request: &mut Request) -> Result<()> {
    connection.flush()?;
    match &mut request.content {
        Some(content) => connection
            .send_exactly(&mut content.source, content.length)
            .map(drop),
        None => Ok(()),
    }
}

/// Reads the head of the final response; those that only inform are passed over (RFC 9110
/// section 15.2).
fn read_head(connection: &mut Connection) -> Result<Head> {
    for _ in 0..=INFORMATIONAL {
        let head = read_one_head(connection)?;
        match head.status {
            101 => {
                return Err(connection.malformed("101 answers only a request to upgrade", b""));
            }
            100..=199 => {}
            _ => return Ok(head),
        }
    }
    Err(Error::TooLarge {
        what: format!(
            "{}: the number of informational responses",
            connection.peer()
        ),
        limit: INFORMATIONAL as u64,
    })
}

fn read_one_head(connection: &mut Connection) -> Result<Head> {
    let line = connection.read_line()?;
    let status = match parse_status_line(line) {
        Ok(status) => status,
        Err(broken) => {
            let line = line.to_vec();
            return Err(connection.malformed(broken.0, &line));
        }
    };
    let mut head = Head {
        minor_version: status.minor_version,
        status: status.status,
        reason: status.reason,
        fields: Default::default(),
    };
    let mut bytes = 0;
    for _ in 0..=HEAD_FIELDS {
        let line = connection.read_line()?;
        if line.is_empty() {
            return Ok(head);
        }
        bytes += line.len();
        if bytes > HEAD_BYTES {
            return Err(head_too_large(connection, "bytes", HEAD_BYTES));
        }
        match parse_field_line(line) {
            Ok((name, value)) => head.fields.push(name, value),
            Err(broken) => {
                let line = line.to_vec();
                return Err(connection.malformed(broken.0, &line));
            }
        }
    }
    Err(head_too_large(connection, "fields", HEAD_FIELDS))
}

fn head_too_large(connection: &Connection, unit: &str, limit: usize) -> Error {
    Error::TooLarge {
        what: format!("{}: the response head, in {unit},", connection.peer()),
        limit: limit as u64,
    }
}

/// A head, and what it says of the body.
struct Told {
    head: Head,
    length: BodyLength,
    first_byte: Duration,
}

impl Told {
    fn reply(self, idle: Idle, authorized: bool) -> Reply {
        Reply {
            keep: keeps_alive(&self.head),
            authorized,
            framing: Some(ResponseFraming::from(self.length)),
            head: self.head,
            exchanged: Exchanged {
                reused: idle.has_served,
                first_byte: self.first_byte,
            },
            idle,
        }
    }
}

/// A response that owns its connection.
struct Reply {
    head: Head,
    idle: Idle,
    framing: Option<ResponseFraming>,
    keep: bool,
    /// Whether the request said who we are; each such request is made in its own turn.
    authorized: bool,
    exchanged: Exchanged,
}

impl Reply {
    /// Gives the connection back if it can serve again.
    fn finish(self, pool: &mut Pool) {
        let read = self
            .framing
            .is_none_or(|framing| framing.remaining() == Some(0));
        if self.keep && read && self.idle.connection.is_in_step() {
            pool.put(self.idle);
        }
    }

    /// Reads over a body that nobody wants, if that is cheaper than a new connection.
    fn discard(mut self, pool: &mut Pool) {
        if let (true, Some(framing)) = (self.keep, self.framing.take()) {
            // Whatever is wrong with this body, the next request only needs another connection.
            let _ = self
                .idle
                .connection
                .body(framing)
                .discard(DISCARD, PATIENCE);
            self.finish(pool);
        }
    }
}

/// The final response to a request. [`Response::finish`] keeps its connection for the next one;
/// dropped, it closes.
pub struct Response<'c> {
    may_ask_ahead: bool,
    pool: &'c mut Pool,
    url: Url,
    reply: Reply,
}

impl Response<'_> {
    /// The head.
    pub fn head(&self) -> &Head {
        &self.reply.head
    }

    /// The URL that gave this response, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// How the connection came to be.
    pub fn facts(&self) -> &Facts {
        self.reply.idle.connection.facts()
    }

    /// How the response came to be.
    pub fn exchanged(&self) -> &Exchanged {
        &self.reply.exchanged
    }

    /// The length of the body as it comes, where that was announced.
    pub fn length(&self) -> Option<u64> {
        self.reply.framing.as_ref().and_then(Framing::remaining)
    }

    /// The body as it comes, before its content codings are undone. Once; after that it is empty.
    pub fn body(&mut self) -> Body<'_, ResponseFraming> {
        let framing = self.reply.framing.take();
        let framing = framing.unwrap_or_else(|| ResponseFraming::Length(Length::new(0)));
        self.reply.idle.connection.body(framing)
    }

    /// How many requests to the same origin may now be made ahead of their turn, so that the server
    /// works while we read (RFC 9112 section 9.3.2). Zero unless the connection has shown that it
    /// persists, this body is short, and nobody watches, who would be confused.
    pub fn room_ahead(&self) -> usize {
        let reply = &self.reply;
        let asked = reply.idle.ahead.len();
        // What came behind this body before anything was asked would pass for the answer (RFC 9112
        // section 9.2).
        let quiet = |length| asked > 0 || reply.idle.connection.unread() as u64 <= length;
        let short = self
            .length()
            .is_some_and(|length| length <= SHORT && quiet(length));
        let proven = self.may_ask_ahead
            && reply.keep
            && reply.head.minor_version >= 1
            && !reply.authorized
            && short;
        let direct = reply.idle.connection.facts().proxy.is_none();
        match proven && direct && !reply.idle.connection.is_recorded() && asked <= AHEAD / 2 {
            true => AHEAD - asked,
            false => 0,
        }
    }

    /// How many requests were made ahead and are not answered yet.
    pub fn asked_ahead(&self) -> usize {
        self.reply.idle.ahead.len()
    }

    /// Queues a request ahead of its turn. It must be the next one that is sent to this origin, or
    /// the connection is lost. Returns whether it could be.
    pub fn ask_ahead(&mut self, request: Request) -> Result<bool> {
        let idle = &mut self.reply.idle;
        let fits = request.target.endpoint == idle.endpoint
            && request.method.is_idempotent()
            && request.content.is_none();
        if fits {
            write_head(&mut idle.connection, &request, None, None)?;
            idle.ahead.push_back(request);
        }
        Ok(fits)
    }

    /// Sends the requests that were queued ahead. A server that takes no more is no reason to lose
    /// the response that is here.
    pub fn send_ahead(&mut self) {
        if self.reply.idle.connection.flush().is_err() {
            self.reply.idle.ahead.clear();
            self.reply.keep = false;
        }
    }

    /// Reads over a body that nobody wants, if it is short, to keep the connection.
    pub fn finish_unread(mut self) {
        self.reply.idle.has_served = true;
        self.reply.discard(self.pool);
    }

    /// Keeps the connection for the next request, if the body was read to its end and the server
    /// does not mean to close.
    pub fn finish(mut self) {
        self.reply.idle.has_served = true;
        self.reply.finish(self.pool);
    }
}

/// How the body of a response is delimited.
pub enum ResponseFraming {
    /// By its length, zero for none.
    Length(Length),
    /// By chunks.
    Chunked(Box<Chunked>),
    /// By the end of the connection.
    UntilClose(UntilClose),
}

impl From<BodyLength> for ResponseFraming {
    fn from(length: BodyLength) -> ResponseFraming {
        match length {
            BodyLength::Empty => ResponseFraming::Length(Length::new(0)),
            BodyLength::Length(bytes) => ResponseFraming::Length(Length::new(bytes)),
            BodyLength::Chunked => ResponseFraming::Chunked(Box::default()),
            BodyLength::UntilClose => ResponseFraming::UntilClose(UntilClose),
        }
    }
}

impl ResponseFraming {
    fn inner(&self) -> &dyn Framing {
        match self {
            ResponseFraming::Length(framing) => framing,
            ResponseFraming::Chunked(framing) => framing.as_ref(),
            ResponseFraming::UntilClose(framing) => framing,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Framing {
        match self {
            ResponseFraming::Length(framing) => framing,
            ResponseFraming::Chunked(framing) => framing.as_mut(),
            ResponseFraming::UntilClose(framing) => framing,
        }
    }
}

impl Framing for ResponseFraming {
    fn step(&mut self, unread: &[u8]) -> std::result::Result<Step, Violation> {
        self.inner_mut().step(unread)
    }

    fn opaque(&self) -> u64 {
        self.inner().opaque()
    }

    fn advance(&mut self, count: u64) {
        self.inner_mut().advance(count);
    }

    fn ends_at_close(&self) -> bool {
        self.inner().ends_at_close()
    }

    fn remaining(&self) -> Option<u64> {
        self.inner().remaining()
    }
}
