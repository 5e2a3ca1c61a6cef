//! Where a redirect leads (RFC 9110 section 15.4).

use proto_transport::escape::escaped;
use proto_transport::{parse_url, Error, Result, Url};

use crate::reply::Head;
use crate::request::{Method, Request, Target};

/// What the policy allows.
#[derive(Debug, Clone, Copy)]
pub struct Redirects {
    /// How many may follow one another.
    pub limit: usize,
    /// Whether one may lead from https to http.
    pub may_downgrade: bool,
}

impl Default for Redirects {
    fn default() -> Redirects {
        Redirects {
            // RFC 9110 section 15.4 asks for a limit; ten is more than any honest chain.
            limit: 10,
            may_downgrade: false,
        }
    }
}

/// The request that a redirect asks for, or `None` if the reply is none.
pub(crate) fn follow(request: &Request, head: &Head, policy: Redirects) -> Result<Option<Request>> {
    if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = head.fields.get("Location") else {
        return Ok(None);
    };
    let target = resolve(&request.target, location)?;
    let from_tls = request.target.url().scheme() == "https";
    if from_tls && target.url().scheme() == "http" && !policy.may_downgrade {
        return Err(Error::Insecure {
            peer: request.target.endpoint.to_string(),
            doing: "following a redirect".to_owned(),
            why: format!(
                "it leads from https to {}; --plain allows that",
                target.absolute_form()
            ),
            certificate: false,
        });
    }
    let keeps_method = matches!(head.status, 307 | 308);
    if keeps_method && request.content.is_some() {
        return Err(Error::illegal(format!(
            "{}: the redirect wants the content sent again to {}",
            request.target.endpoint,
            target.absolute_form()
        )));
    }
    let method = match (keeps_method, request.method.is_head()) {
        (true, _) | (_, true) => request.method.clone(),
        // 303 says so; for 301 and 302 it is what everybody does (RFC 9110 section 15.4.2).
        _ => Method::get(),
    };
    Ok(Some(request.redirected(method, target)))
}

/// The target of a Location field: resolved against the request's own, without user information,
/// and only http or https.
fn resolve(from: &Target, location: &[u8]) -> Result<Target> {
    let wrong = |why: &str| Error::Malformed {
        peer: from.endpoint.to_string(),
        doing: "following a redirect".to_owned(),
        rule: why.to_owned(),
        excerpt: escaped(location.get(..200).unwrap_or(location)),
    };
    let text = std::str::from_utf8(location).map_err(|_| wrong("a Location is a URL"))?;
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(wrong(
            "a Location holds no control characters or backslashes",
        ));
    }
    let mut url =
        join(from.url(), text).map_err(|why| wrong(&format!("a Location is a URL ({why})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("a redirect leads only to http or https"));
    }
    // A server may not choose the credentials that we show to another one.
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return Err(wrong("a Location names a host"));
    }
    // Those of the URL that led here stay with their origin.
    if url.origin() == from.url().origin() {
        let (user, password) = (from.url().username(), from.url().password());
        if url.set_username(user).is_err() || url.set_password(password).is_err() {
            return Err(wrong("a Location names a host"));
        }
    }
    // The fragment is ours and goes along (RFC 9110 section 10.2.2).
    if url.fragment().is_none() {
        url.set_fragment(from.url().fragment());
    }
    Target::from_url(&url)
}

/// Resolves a reference (RFC 3986 section 5.2). One that names a host is read as strictly as what the
/// user gives: [`Url::join`] alone takes `http:host`, `///host` and `%` in a host.
fn join(from: &Url, reference: &str) -> std::result::Result<Url, String> {
    let told = |error: Error| error.to_string();
    // A space is no part of a URL, but many servers send it, and in a path it can mean one thing only.
    let strict = reference.replace(' ', "%20");
    if reference.starts_with("//") {
        return parse_url(&format!("{}:{strict}", from.scheme()), "").map_err(told);
    }
    let first = reference.split(['/', '?', '#']).next().unwrap_or_default();
    match first.split_once(':') {
        Some((_, rest)) if !rest.is_empty() || !reference.contains("://") => {
            Err("there is no // behind the scheme".to_owned())
        }
        Some(_) => parse_url(&strict, "").map_err(told),
        None => from.join(reference).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use proto_transport::parse_url;

    fn request(method: &str, url: &str) -> Request {
        let target = Target::from_url(&parse_url(url, "http").unwrap()).unwrap();
        Request::new(Method::new(method).unwrap(), target)
    }

    fn head(status: u16, location: Option<&str>) -> Head {
        let mut fields = Fields::default();
        if let Some(location) = location {
            fields.push("Location", location.as_bytes());
        }
        Head {
            minor_version: 1,
            status,
            reason: Vec::new(),
            fields,
        }
    }

    fn led(status: u16, method: &str, from: &str, location: &str) -> Result<Option<String>> {
        let next = follow(
            &request(method, from),
            &head(status, Some(location)),
            Redirects::default(),
        );
        Ok(next?.map(|next| format!("{} {}", next.method.as_str(), next.target.url())))
    }

    #[test]
    fn methods_change_as_the_rfc_says() {
        for (status, method, expected) in [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (303, "PUT", "GET"),
            (303, "HEAD", "HEAD"),
            (307, "POST", "POST"),
            (308, "DELETE", "DELETE"),
            (301, "GET", "GET"),
        ] {
            let next = led(status, method, "http://a/", "/b").unwrap().unwrap();
            assert_eq!(next, format!("{expected} http://a/b"), "{status} {method}");
        }
        for status in [200, 300, 304, 305, 404] {
            assert_eq!(led(status, "GET", "http://a/", "/b").unwrap(), None);
        }
        let none = follow(
            &request("GET", "http://a/"),
            &head(302, None),
            Redirects::default(),
        );
        assert!(none.unwrap().is_none());
    }

    #[test]
    fn locations_are_resolved() {
        for (location, expected) in [
            ("b", "http://a/x/b"),
            ("../b?q", "http://a/b?q"),
            ("//c/d", "http://c/d"),
            ("?q", "http://a/x/y?q"),
            ("https://c:444/", "https://c:444/"),
            ("http://u:p@c/", "http://c/"),
            ("HTTP://C/D e", "http://c/D%20e"),
            ("b c", "http://a/x/b%20c"),
            ("/b:c//d", "http://a/b:c//d"),
            ("//0x7f.1/", "http://127.0.0.1/"),
            ("", "http://a/x/y"),
        ] {
            let next = led(302, "GET", "http://a/x/y", location).unwrap().unwrap();
            assert_eq!(next, format!("GET {expected}"), "{location}");
        }
        for (location, expected) in [
            ("/b", "http://u:p@a/b"),
            ("http://evil:twin@a:80/b", "http://u:p@a/b"),
            ("http://a:81/b", "http://a:81/b"),
            ("https://a/b", "https://a/b"),
        ] {
            let next = led(302, "GET", "http://u:p@a/x", location).unwrap();
            assert_eq!(next.unwrap(), format!("GET {expected}"), "{location}");
        }
        let next = led(302, "GET", "http://a/#f", "/b").unwrap().unwrap();
        assert_eq!(next, "GET http://a/b#f");
    }

    #[test]
    fn only_http_is_followed() {
        for location in [
            "file:///etc/passwd",
            "ftp://a/",
            "gopher://a/",
            "imap://a/",
            "data:,x",
            "javascript:1",
            "http://",
            "\\\\host",
            "/a\tb",
            "http://a:99999/",
            "http://127.0.0%2E1/",
            "//127.0.0%2E1/",
            "http:///b/",
            "///b/",
            "////b/",
            "http:b",
            "https:b/",
            "https:/b/",
            "http://a b/",
            "1http://b/",
            "http://u:p%40@c%2f/",
        ] {
            assert!(
                led(302, "GET", "http://a/", location).is_err(),
                "{location}"
            );
        }
    }

    #[test]
    fn security_is_not_lost_on_the_way() {
        let error = led(302, "GET", "https://a/", "http://a/").unwrap_err();
        assert!(matches!(error, Error::Insecure { .. }), "{error}");
        let policy = Redirects {
            may_downgrade: true,
            ..Redirects::default()
        };
        let next = follow(
            &request("GET", "https://a/"),
            &head(302, Some("http://a/")),
            policy,
        );
        assert!(next.unwrap().is_some());
    }

    #[test]
    fn content_is_not_sent_twice() {
        let mut request = request("POST", "http://a/");
        request.content = Some(crate::request::Content {
            source: Box::new(std::io::empty()),
            length: 0,
        });
        let result = follow(&request, &head(307, Some("/b")), Redirects::default());
        assert!(matches!(result, Err(Error::Illegal { .. })));
    }
}
