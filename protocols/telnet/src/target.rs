//! *What* a URL names (RFC 4248): a host to talk to, perhaps the name of a user.
//!
//! ```text
//! telnet://[user@]host[:port][/]
//! ```

use proto_transport::{decoded, parse_url, Endpoint, Error, Result, Security};

/// The port of Telnet.
const PORT: u16 = 23;

/// The port of Telnet under TLS, as IANA has it.
const TLS_PORT: u16 = 992;

/// *What* a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Who wants to come in.
    pub user: Option<String>,
}

impl Target {
    /// Reads `telnet://` (23), `telnets://` (992, TLS from the first byte), or a bare
    /// `[user@]host[:port]`.
    pub fn parse(text: &str) -> Result<Target> {
        let url = parse_url(text, "telnet")?;
        let (port, security) = match url.scheme() {
            "telnet" => (PORT, Security::Plain),
            "telnets" => (TLS_PORT, Security::Tls),
            other => {
                return Err(Error::illegal(format!(
                    "{other}:// is not Telnet; there are telnet and telnets"
                )))
            }
        };
        if url.password().is_some() {
            return Err(Error::illegal(
                "telnet has no login of its own, so a password in the URL goes nowhere; --script can answer the questions of a server",
            ));
        }
        let rest = (url.path(), url.query(), url.fragment());
        if !matches!(rest, ("" | "/", None, None)) {
            return Err(Error::illegal(
                "a telnet URL ends with its host and port (RFC 4248)",
            ));
        }
        let user = match url.username() {
            "" => None,
            user => Some(decoded(user, "user")?),
        };
        Ok(Target {
            endpoint: Endpoint::from_url(&url, port, security)?,
            user,
        })
    }

    /// The URL, without the user.
    pub fn url(&self) -> String {
        let scheme = match self.endpoint.security {
            Security::Tls => "telnets",
            _ => "telnet",
        };
        format!("{scheme}://{}/", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_what_the_rfc_says() {
        for (text, url, user) in [
            ("a", "telnet://a:23/", None),
            ("a:2323", "telnet://a:2323/", None),
            ("telnet://fred@a/", "telnet://a:23/", Some("fred")),
            ("fr%20ed@a", "telnet://a:23/", Some("fr ed")),
            ("telnets://[::1]", "telnets://[::1]:992/", None),
            ("telnet://%66@a:1", "telnet://a:1/", Some("f")),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.url(), url);
            assert_eq!(target.user.as_deref(), user);
        }
    }

    #[test]
    fn what_is_no_telnet_url_is_refused() {
        for wrong in [
            "http://a",
            "telnet://fred:pencil@a",
            "telnet://a/x",
            "telnet://a/?x",
            "telnet://a/#x",
            "telnet://fr%0aed@a",
            "telnet:///",
            "a b",
        ] {
            let error = Target::parse(wrong).unwrap_err();
            assert!(matches!(error, Error::Illegal { .. }), "{wrong}");
            assert!(!error.to_string().contains("pencil"), "{error}");
        }
    }
}
