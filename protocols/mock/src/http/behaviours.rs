//! What lies under `/mock/`: a path for each thing that a server can do to a client.

use std::io;

use super::deliver::{deliver, Way};
use super::exchange::{Ending, Exchange};
use super::files::{self, Found};
use super::guard::{self, Protection, Scheme};
use super::request::{bad, parse_digits};
use super::resource::{Resource, PLAIN};

/// Every path under `/mock/`, and what it does. PATH is any path of the site, also one of these.
pub const BEHAVIOURS: &[(&str, &str)] = &[
    (
        "/mock/bytes/N",
        "N bytes, the same every time, with ETag and ranges",
    ),
    (
        "/mock/changing",
        "256 KiB that change, and their ETag with them, on every request",
    ),
    (
        "/mock/chunked/PATH",
        "in chunks, with chunk extensions and a trailer",
    ),
    ("/mock/gzip/PATH", "compressed with gzip"),
    ("/mock/deflate/PATH", "compressed with deflate (zlib)"),
    ("/mock/slow/PATH", "at about 20 kB a second"),
    (
        "/mock/truncated/PATH",
        "announced whole, but only half is sent",
    ),
    (
        "/mock/close/PATH",
        "without a length, until the connection closes",
    ),
    ("/mock/redirect/N", "N redirects (302), then /"),
    (
        "/mock/redirect-to?url=U&code=C",
        "a redirect to U with status C (302)",
    ),
    (
        "/mock/status/C",
        "a response with status C; ?retry-after=N adds that field",
    ),
    (
        "/mock/flaky/N/NAME/PATH",
        "503 with Retry-After: 0 for the first N requests for NAME, then PATH",
    ),
    (
        "/mock/basic/PATH",
        "for user fred with password secret, by Basic",
    ),
    (
        "/mock/digest/PATH",
        "the same by Digest, SHA-256 or MD5; a nonce is stale after 3 uses",
    ),
    ("/mock/bearer/PATH", "for the bearer of the token letmein"),
    ("/mock/headers", "the request's head, as it came"),
    (
        "/mock/echo",
        "the request's method in a line, then its body",
    ),
    ("/mock/cookies", "sets two cookies"),
    (
        "/mock/early-close",
        "closes the connection after the response without saying so",
    ),
    ("/mock/disposition?name=NAME", "an attachment of that name"),
];

/// The largest body that is held to be sent back.
const ECHO: usize = 16 * 1024 * 1024;

/// The size of the resource that changes.
const CHANGING: u64 = 256 * 1024;

/// The longest chain of redirects.
const REDIRECTS: u64 = 10_000;

/// How many names of flaky resources are remembered.
const FLAKY: usize = 10_000;

/// Answers a request for `path`, which for a path within a path is not that of the request.
pub(super) fn answer(exchange: &mut Exchange, path: &str) -> io::Result<()> {
    let Some(rest) = path.strip_prefix("/mock/") else {
        return send(exchange, path, Way::Plain);
    };
    let (name, rest) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    match name {
        "chunked" => send(exchange, rest, Way::Chunked),
        "gzip" => send(exchange, rest, Way::Gzip),
        "deflate" => send(exchange, rest, Way::Deflate),
        "slow" => send(exchange, rest, Way::Slow),
        "truncated" => send(exchange, rest, Way::Truncated),
        "close" => send(exchange, rest, Way::Close),
        "redirect" => redirect(exchange, rest),
        "redirect-to" => redirect_to(exchange),
        "status" => say_status(exchange, rest),
        "flaky" => be_flaky(exchange, rest),
        "basic" => guarded(exchange, rest, Scheme::Basic),
        "digest" => guarded(exchange, rest, Scheme::Digest),
        "bearer" => bearer(exchange, rest),
        "headers" => {
            let head = exchange.request.head.clone();
            exchange.say(200, &[], head)
        }
        "echo" => echo(exchange),
        "cookies" => set_cookies(exchange),
        "early-close" => {
            exchange.hangs_up = true;
            exchange.say(200, &[], "This connection closes now.\n")
        }
        "disposition" => disposition(exchange),
        _ => send(exchange, path, Way::Plain),
    }
}

/// The table as text.
fn index() -> String {
    let rows = BEHAVIOURS.iter();
    rows.map(|(path, what)| format!("{path:31} {what}\n"))
        .collect()
}

fn send(exchange: &mut Exchange, path: &str, way: Way) -> io::Result<()> {
    if !matches!(exchange.request.method.as_str(), "GET" | "HEAD") {
        let allow = ("Allow", "GET, HEAD".to_owned());
        return exchange.say(405, &[allow], "405 Method Not Allowed\n");
    }
    match find(exchange, path) {
        Found::Resource(resource) => deliver(exchange, &resource, way),
        Found::Folder => {
            let location = format!("{}/", exchange.request.path());
            exchange.say(301, &[("Location", location)], "301 Moved Permanently\n")
        }
        Found::Nothing => exchange.say_status(404),
    }
}

fn find(exchange: &Exchange, path: &str) -> Found {
    if let Some(digits) = path.strip_prefix("/mock/bytes/") {
        return match parse_digits(digits) {
            Some(length) => Found::Resource(Resource::bytes(length)),
            None => Found::Nothing,
        };
    }
    match (path, &exchange.site.root) {
        ("/mock/changing", _) => {
            Found::Resource(Resource::edition(CHANGING, exchange.site.next_edition()))
        }
        ("/mock/", _) | ("/", None) => Found::Resource(Resource::text(PLAIN, index())),
        (path, _) if path.starts_with("/mock/") => Found::Nothing,
        (path, Some(root)) => files::find(root, path),
        (_, None) => Found::Nothing,
    }
}

// --- redirects and statuses ---

fn redirect(exchange: &mut Exchange, rest: &str) -> io::Result<()> {
    let location = match parse_digits(rest.trim_start_matches('/')) {
        Some(0 | 1) => "/".to_owned(),
        Some(count) if count <= REDIRECTS => format!("/mock/redirect/{}", count - 1),
        _ => return exchange.say_status(404),
    };
    exchange.say(302, &[("Location", location)], "302 Found\n")
}

fn redirect_to(exchange: &mut Exchange) -> io::Result<()> {
    let code = match exchange.request.parameter("code") {
        Some(code) => status(&code)?,
        None => 302,
    };
    let location = parameter_for_a_field(exchange, "url")?;
    let text = format!("{code}\n");
    exchange.say(code, &[("Location", location)], text)
}

fn say_status(exchange: &mut Exchange, rest: &str) -> io::Result<()> {
    let code = status(rest.trim_start_matches('/').as_bytes())?;
    let mut fields = Vec::new();
    if exchange.request.parameter("retry-after").is_some() {
        let value = parameter_for_a_field(exchange, "retry-after")?;
        fields.push(("Retry-After", value));
    }
    let text = format!("{code} {}\n", super::exchange::reason(code));
    exchange.say(code, &fields, text)
}

/// A final status: after any other the client would go on waiting.
fn status(digits: &[u8]) -> io::Result<u16> {
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    let status = parse_digits(digits).filter(|status| (200..=999).contains(status));
    status
        .and_then(|status| u16::try_from(status).ok())
        .ok_or_else(|| bad(400, "that is not a final status"))
}

/// A parameter that becomes a field's value. It may hold anything but what would end the field.
fn parameter_for_a_field(exchange: &Exchange, name: &str) -> io::Result<String> {
    let value = exchange.request.parameter(name).unwrap_or_default();
    let value = String::from_utf8(value).map_err(|_| bad(400, "the parameter is not UTF-8"))?;
    match value.is_empty() || value.contains(['\r', '\n', '\0']) {
        true => Err(bad(400, "the parameter is empty or holds CR, LF or NUL")),
        false => Ok(value),
    }
}

fn be_flaky(exchange: &mut Exchange, rest: &str) -> io::Result<()> {
    let mut parts = rest.trim_start_matches('/').splitn(3, '/');
    let (count, name, path) = (parts.next(), parts.next(), parts.next());
    let (Some(count), Some(name)) = (count.and_then(parse_digits), name) else {
        return exchange.say_status(404);
    };
    let mut flaky = crate::stop::locked(&exchange.site.flaky);
    if flaky.len() >= FLAKY {
        flaky.clear();
    }
    let seen = flaky.entry(name.to_owned()).or_default();
    *seen += 1;
    let works = *seen > count;
    drop(flaky);
    match works {
        true => answer(exchange, &format!("/{}", path.unwrap_or_default())),
        false => {
            let retry = ("Retry-After", "0".to_owned());
            exchange.say(503, &[retry], "503 Service Unavailable\n")
        }
    }
}

// --- who may come in ---

fn guarded(exchange: &mut Exchange, rest: &str, scheme: Scheme) -> io::Result<()> {
    let protection = Protection {
        scheme,
        user: "fred".to_owned(),
        password: "secret".to_owned(),
    };
    match let_in(exchange, &protection)? {
        true => answer(exchange, rest),
        false => Ok(()),
    }
}

/// Whether the request satisfies a protection; if not, it is answered with the challenges.
pub(super) fn let_in(exchange: &mut Exchange, protection: &Protection) -> io::Result<bool> {
    let nonces = &exchange.site.nonces;
    let Err(refused) = nonces.check(&exchange.request, protection) else {
        return Ok(true);
    };
    let challenges = nonces.challenges(protection.scheme, refused);
    challenge(exchange, challenges)?;
    Ok(false)
}

fn challenge(exchange: &mut Exchange, challenges: Vec<String>) -> io::Result<()> {
    let challenges = challenges.into_iter();
    let fields: Vec<_> = challenges.map(|text| ("WWW-Authenticate", text)).collect();
    exchange.refuse_body()?;
    exchange.say(401, &fields, "401 Unauthorized\n")
}

fn bearer(exchange: &mut Exchange, rest: &str) -> io::Result<()> {
    match guard::bears(&exchange.request, "letmein") {
        true => answer(exchange, rest),
        false => challenge(exchange, vec!["Bearer realm=\"mock\"".to_owned()]),
    }
}

// --- mirrors ---

fn echo(exchange: &mut Exchange) -> io::Result<()> {
    let body = exchange.collect_body(ECHO)?;
    let mut text = format!("{}\n", exchange.request.method).into_bytes();
    text.extend_from_slice(&body);
    exchange.say(200, &[], text)
}

fn set_cookies(exchange: &mut Exchange) -> io::Result<()> {
    let cookies = [
        ("Set-Cookie", "session=one; Path=/; HttpOnly".to_owned()),
        (
            "Set-Cookie",
            "theme=dark; Path=/mock; Max-Age=3600".to_owned(),
        ),
    ];
    let sent: Vec<&str> = exchange.request.all("Cookie").collect();
    let text = format!("You sent: {}\n", sent.join(", "));
    exchange.say(200, &cookies, text)
}

fn disposition(exchange: &mut Exchange) -> io::Result<()> {
    let name = parameter_for_a_field(exchange, "name")?;
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    let field = format!("attachment; filename=\"{name}\"");
    let fields = [("Content-Disposition", field)];
    let text = b"an attachment\n";
    if exchange.start(200, &fields, Ending::Length(text.len() as u64))? {
        exchange.peer.write_all(text)?;
    }
    Ok(())
}
