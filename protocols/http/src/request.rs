//! What we say: a request that cannot be built wrong.

use std::fmt;
use std::io::Read;

use crate::authorize::Authorization;
use crate::fields::is_token;
use proto_transport::{without_password, Endpoint, Error, Position, Result, Secret, Security, Url};

/// A method (RFC 9110 section 9): a token, in its own case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method(String);

impl Method {
    /// GET.
    pub fn get() -> Method {
        Method("GET".to_owned())
    }

    /// HEAD.
    pub fn head() -> Method {
        Method("HEAD".to_owned())
    }

    /// Any method.
    pub fn new(name: &str) -> Result<Method> {
        if !is_token(name.as_bytes()) {
            return Err(Error::illegal(format!("{name:?} is not an HTTP method")));
        }
        Ok(Method(name.to_owned()))
    }

    /// The method's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the answer never has a body.
    pub fn is_head(&self) -> bool {
        self.0 == "HEAD"
    }

    /// Whether saying it twice is as good as once (RFC 9110 section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(&self.0.as_str())
    }
}

/// *What* is asked for, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub endpoint: Endpoint,
    url: Url,
}

impl Target {
    /// The target of an `http` or `https` URL. Its user information and fragment are for us alone
    /// and never said to a server.
    pub fn from_url(url: &Url) -> Result<Target> {
        let (port, security) = match url.scheme() {
            "http" => (80, Security::Plain),
            "https" => (443, Security::Tls),
            other => {
                return Err(Error::illegal(format!(
                    "{}: {other} is not a scheme that HTTP can fetch",
                    without_password(url)
                )))
            }
        };
        Ok(Target {
            endpoint: Endpoint::from_url(url, port, security)?,
            url: url.clone(),
        })
    }

    /// The whole URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The value of the Host field (RFC 9110 section 7.2): the port only when it is not the
    /// scheme's own.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Path and query: what the server itself is asked (RFC 9112 section 3.2.1).
    pub fn origin_form(&self) -> &str {
        match &self.url[Position::BeforePath..Position::AfterQuery] {
            "" => "/",
            path => path,
        }
    }

    /// The whole URL without user and fragment: what a proxy is asked (RFC 9112 section 3.2.2).
    pub fn absolute_form(&self) -> String {
        let scheme = self.url.scheme();
        format!("{scheme}://{}{}", self.host(), self.origin_form())
    }

    /// Whether two targets have the same origin: scheme, host and port (RFC 9110 section 4.3.1).
    pub fn is_same_origin(&self, other: &Target) -> bool {
        self.endpoint == other.endpoint
    }
}

/// The value of a field: plain, or with a secret at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    shown: String,
    secret: Option<Secret>,
}

/// What is sent behind the head.
pub struct Content {
    /// Where the bytes come from.
    pub source: Box<dyn Read + Send>,
    /// How many there are.
    pub length: u64,
}

/// A request.
pub struct Request {
    /// The method.
    pub method: Method,
    /// What is asked for.
    pub target: Target,
    /// What is sent behind the head.
    pub content: Option<Content>,
    fields: Vec<(String, Value)>,
    authorization: Option<Secret>,
}

/// Fields that frame the message, so that only this crate may say them.
const FRAMING: [&str; 6] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "upgrade",
];

/// Fields that tell nothing about who asks, so that they may go along to another origin.
const HARMLESS: [&str; 9] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "if-range",
    "pragma",
    "range",
    "user-agent",
    "if-modified-since",
];

impl Request {
    /// A request without fields of the caller's own.
    pub fn new(method: Method, target: Target) -> Request {
        Request {
            method,
            target,
            content: None,
            fields: Vec::new(),
            authorization: None,
        }
    }

    /// Adds a field. Its name must be a token and its value must hold no control characters
    /// (RFC 9110 section 5.5): a line end in it would be another field.
    pub fn field(&mut self, name: &str, value: &str) -> Result<()> {
        check_field(name, value)?;
        self.fields.push((
            name.to_owned(),
            Value {
                shown: value.trim().to_owned(),
                secret: None,
            },
        ));
        Ok(())
    }

    /// Adds a field whose value ends in a secret, which transcripts blank.
    pub fn secret_field(&mut self, name: &str, shown: &str, secret: Secret) -> Result<()> {
        check_field(name, shown)?;
        check_field(name, secret.reveal())?;
        self.fields.push((
            name.to_owned(),
            Value {
                shown: shown.to_owned(),
                secret: Some(secret),
            },
        ));
        Ok(())
    }

    /// Sets the value of the Authorization field, in place of what would answer a server that asks.
    pub fn authorize(&mut self, value: Secret) -> Result<()> {
        check_field("Authorization", value.reveal())?;
        self.authorization = Some(value);
        Ok(())
    }

    /// `credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]` (RFC 9110 section 11.4)
    pub(crate) fn authorization(&self) -> Option<Authorization> {
        let value = self.authorization.as_ref()?.reveal();
        // A value without a scheme is a secret as a whole.
        let (scheme, secret) = value.split_once(' ').unwrap_or(("", value));
        Some(Authorization {
            scheme: scheme.to_owned(),
            value: Secret::from(secret),
        })
    }

    /// Whether a field of this name is there.
    pub fn has_field(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Whether two requests without content ask for the same in the same words.
    pub(crate) fn is_same(&self, other: &Request) -> bool {
        let bare = self.content.is_none() && other.content.is_none();
        bare && self.method == other.method
            && self.target == other.target
            && self.fields == other.fields
            && self.authorization == other.authorization
    }

    /// The same request at another target, as a redirect wants it. What may tell who asks stays
    /// behind when the origin changes.
    pub(crate) fn redirected(&self, method: Method, target: Target) -> Request {
        let same = self.target.is_same_origin(&target);
        let fields = self.fields.iter().filter(|(name, _)| {
            same || HARMLESS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        });
        Request {
            method,
            target,
            content: None,
            fields: fields.cloned().collect(),
            authorization: self.authorization.clone().filter(|_| same),
        }
    }

    /// The lines of the head, each as what may be shown and a secret behind it. `absolute` is the
    /// form that a proxy is asked in.
    pub(crate) fn lines(&self, absolute: bool) -> Vec<(String, Option<&Secret>)> {
        let method = self.method.as_str();
        let asked = match absolute {
            true => self.target.absolute_form(),
            false => self.target.origin_form().to_owned(),
        };
        let mut lines = vec![
            (format!("{method} {asked} HTTP/1.1"), None),
            (format!("Host: {}", self.target.host()), None),
        ];
        for (name, value) in &self.fields {
            lines.push((format!("{name}: {}", value.shown), value.secret.as_ref()));
        }
        if let Some(content) = &self.content {
            lines.push((format!("Content-Length: {}", content.length), None));
        }
        lines.push((String::new(), None));
        lines
    }
}

fn check_field(name: &str, value: &str) -> Result<()> {
    if !is_token(name.as_bytes()) {
        return Err(Error::illegal(format!(
            "{name:?} is not the name of a header field"
        )));
    }
    if FRAMING.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Error::illegal(format!(
            "the field {name} delimits the message and cannot be set by hand"
        )));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Error::illegal(format!(
            "the value of {name} cannot hold control characters or line ends"
        )));
    }
    Ok(())
}

/// The head as it goes over the wire, but with secrets blanked.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shown, secret) in self.lines(false) {
            let secret = secret.map_or("", |_| proto_transport::session::SECRET);
            write!(f, "{shown}{secret}\r\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::parse_url;

    fn target(url: &str) -> Target {
        Target::from_url(&parse_url(url, "http").unwrap()).unwrap()
    }

    #[test]
    fn the_wire_form_is_as_the_rfc_says() {
        let mut request = Request::new(
            Method::get(),
            target("http://u:p@Example.com:8080/a%20b?c=d#e"),
        );
        request.field("Accept", " */* ").unwrap();
        request
            .secret_field("Authorization", "Basic ", Secret::from("canary"))
            .unwrap();
        assert_eq!(
            request.to_string(),
            "GET /a%20b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\n\
             Authorization: Basic (secret)\r\n\r\n"
        );
        assert_eq!(
            request.lines(true)[0].0,
            "GET http://example.com:8080/a%20b?c=d HTTP/1.1"
        );
    }

    #[test]
    fn every_target_has_a_path() {
        assert_eq!(target("example.com").origin_form(), "/");
        assert_eq!(target("example.com?q").origin_form(), "/?q");
        assert_eq!(target("https://example.com:443/").host(), "example.com");
        assert_eq!(target("http://[::1]:81/").host(), "[::1]:81");
        assert_eq!(target("http://é.example/ü").origin_form(), "/%C3%BC");
    }

    #[test]
    fn an_invalid_request_cannot_be_built() {
        for method in ["", "GET ", "G\nET", "GÉT", "A:B"] {
            assert!(Method::new(method).is_err(), "{method:?}");
        }
        let mut request = Request::new(Method::get(), target("http://a/"));
        for (name, value) in [
            ("", "x"),
            ("A B", "x"),
            ("A:", "x"),
            ("A\r\nB", "x"),
            ("A", "x\r\nB: y"),
            ("A", "x\n"),
            ("A", "\0"),
            ("Host", "evil"),
            ("content-length", "0"),
            ("Transfer-Encoding", "chunked"),
        ] {
            assert!(request.field(name, value).is_err(), "{name:?}: {value:?}");
        }
        assert!(request
            .secret_field("Authorization", "Bearer ", "a\nb".into())
            .is_err());
    }

    #[test]
    fn only_http_is_fetched() {
        for url in ["ftp://a/", "file:///etc/passwd", "gopher://a/", "data:,x"] {
            let url = Url::parse(url).unwrap();
            assert!(Target::from_url(&url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_tells_who_asks_stays_with_the_origin() {
        let mut request = Request::new(Method::get(), target("http://a/"));
        for name in [
            "Accept",
            "Authorization",
            "Cookie",
            "X-Api-Key",
            "user-agent",
        ] {
            request.field(name, "x").unwrap();
        }
        let names = |url| -> Vec<String> {
            let request = request.redirected(Method::get(), target(url));
            request.fields.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names("http://a/b").len(), 5);
        for other in ["https://a/", "http://a:81/", "http://b/"] {
            assert_eq!(names(other), ["Accept", "user-agent"], "{other}");
        }
    }
}
