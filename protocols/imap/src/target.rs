//! *What* a URL names: an account, a mailbox, messages, a section (RFC 5092).
//!
//! ```text
//! imap://me;AUTH=PLAIN@host/INBOX;UIDVALIDITY=7/;UID=20:25/;SECTION=1.2
//! imap://host/INBOX?SUBJECT%20hello
//! ```

use proto_transport::{decoded, parse_url, Endpoint, Error, Result, Security, Url};

use crate::mailbox::Mailbox;
use crate::request::{check_raw, SectionItem};
use crate::set::UidSet;

/// *What* a URL names.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The mechanism that the URL restricts the login to; `*` and nothing mean any that is allowed.
    pub mechanism: Option<String>,
    /// The mailbox.
    pub mailbox: Option<Mailbox>,
    /// What the mailbox's UIDVALIDITY must be.
    pub uid_validity: Option<u32>,
    /// The messages.
    pub uids: Option<UidSet>,
    /// The section, and perhaps a part of it.
    pub section: Option<SectionItem>,
    /// What to look for, in the words of RFC 9051.
    pub search: Option<String>,
    url: Url,
}

impl Target {
    /// Reads `imap://` (143), `imaps://` (993, RFC 8314), or a bare `host[:port][/mailbox]`.
    pub fn parse(text: &str) -> Result<Target> {
        Target::from_url(&parse_url(text, "imap")?)
    }

    /// What a URL names. Whatever could end a line is refused here, before anything is said.
    pub fn from_url(url: &Url) -> Result<Target> {
        let (port, security) = match url.scheme() {
            "imap" => (143, Security::Plain),
            "imaps" => (993, Security::Tls),
            other => {
                return Err(Error::illegal(format!(
                    "{other}:// is no IMAP server; there are imap and imaps"
                )))
            }
        };
        if url.fragment().is_some() {
            return Err(Error::illegal("an IMAP URL has no fragment (#)"));
        }
        let (url, mechanism) = without_mechanism(url)?;
        let search = match url.query() {
            Some("") | None => None,
            Some(query) => {
                let search = decoded(query, "search")?;
                check_raw(&search)?;
                Some(search)
            }
        };
        let mut target = Target {
            endpoint: Endpoint::from_url(&url, port, security)?,
            mechanism,
            mailbox: None,
            uid_validity: None,
            uids: None,
            section: None,
            search,
            url: url.clone(),
        };
        target.take_path(url.path())?;
        Ok(target)
    }

    /// `imailbox-ref [iuid [isection [ipartial]]]`; a slash before a parameter may be left out.
    fn take_path(&mut self, path: &str) -> Result<()> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut parts = path.split(';');
        let name = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.collect();
        let name = match parameters.is_empty() {
            true => name,
            false => name.strip_suffix('/').unwrap_or(name),
        };
        if !name.is_empty() {
            self.mailbox = Some(Mailbox::new(&decoded(name, "mailbox")?)?);
        } else if !parameters.is_empty() || self.search.is_some() {
            return Err(Error::illegal(
                "the URL names no mailbox: imap://host/INBOX",
            ));
        }
        for parameter in parameters {
            let parameter = parameter.strip_suffix('/').unwrap_or(parameter);
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            self.take_parameter(name, &decoded(value, "parameter")?)?;
        }
        Ok(())
    }

    fn take_parameter(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = || Error::illegal(format!("{name}={value} in the URL makes no sense"));
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match name.to_ascii_uppercase().as_str() {
            "UIDVALIDITY" if is_number && self.uid_validity.is_none() => {
                let number = value.parse().ok().filter(|number| *number > 0);
                self.uid_validity = Some(number.ok_or_else(wrong)?);
            }
            "UID" if self.uids.is_none() => self.uids = Some(UidSet::parse(value)?),
            "SECTION" if self.section.is_none() && self.uids.is_some() => {
                self.section = Some(SectionItem::new(value)?);
            }
            "PARTIAL" if self.uids.is_some() => {
                let (origin, length) = value.split_once('.').unwrap_or((value, ""));
                let length = match length {
                    "" => Ok(u64::from(u32::MAX)),
                    length => length.parse(),
                };
                let (Ok(origin), Ok(length)) = (origin.parse(), length) else {
                    return Err(wrong());
                };
                let section = match self.section.take() {
                    Some(section) => section,
                    None => SectionItem::new("")?,
                };
                self.section = Some(section.part(origin, length));
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// The same, reached at another endpoint or with other security.
    pub fn at(&self, endpoint: Endpoint) -> Target {
        Target {
            endpoint,
            ..self.clone()
        }
    }

    /// The URL, with the user that it may name and without the mechanism.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// `iuserinfo = [enc-user] [";AUTH=" ("*" / enc-auth-type)]`: the URL without the mechanism, and the
/// mechanism if it is one.
fn without_mechanism(url: &Url) -> Result<(Url, Option<String>)> {
    let user = decoded(url.username(), "user")?;
    if let Some(password) = url.password() {
        decoded(password, "password")?;
    }
    let marker = user.to_ascii_uppercase().rfind(";AUTH=");
    let Some((user, mechanism)) = marker.and_then(|at| user.split_at_checked(at)) else {
        return Ok((url.clone(), None));
    };
    let mechanism = mechanism.get(";AUTH=".len()..).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mechanism = match mechanism {
        "*" => None,
        name if !name.is_empty() && name.chars().all(is_name) => Some(name.to_ascii_uppercase()),
        other => {
            return Err(Error::illegal(format!(
                "{other:?} names no mechanism of SASL"
            )))
        }
    };
    let mut url = url.clone();
    url.set_username(user)
        .map_err(|()| Error::illegal("the URL names no host"))?;
    Ok((url, mechanism))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_of_the_rfc() {
        // RFC 5092 section 5 and appendix.
        let target =
            Target::parse("imap://michael@example.org/users.*;UIDVALIDITY=123456").unwrap();
        assert_eq!(target.mailbox.unwrap().name(), "users.*");
        assert_eq!(target.uid_validity, Some(123_456));
        let target = Target::parse(
            "imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
        )
        .unwrap();
        assert_eq!(target.uids.unwrap().single(), Some(20));
        assert!(target.section.is_some());
        let target = Target::parse(
            "imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97",
        )
        .unwrap();
        assert_eq!(target.mailbox.unwrap().name(), "~peter/日本語/台北");
        let target = Target::parse(
            "imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2",
        )
        .unwrap();
        assert_eq!(target.mechanism.as_deref(), Some("GSSAPI"));
        assert_eq!(target.section.unwrap().section.name, "1.2");
        let target =
            Target::parse("imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows")
                .unwrap();
        assert_eq!(target.mechanism, None);
        assert_eq!(target.search.as_deref(), Some("SUBJECT shadows"));
        assert_eq!(target.url().username(), "");
        let target = Target::parse("imap://john;AUTH=plain@h:2143/inbox;UID=7").unwrap();
        assert_eq!(
            (target.url().username(), target.mechanism.as_deref()),
            ("john", Some("PLAIN"))
        );
        assert!(target.mailbox.unwrap().is_inbox());
        assert_eq!(target.endpoint.port, 2143);
    }

    #[test]
    fn ports_and_bare_hosts() {
        for (text, port, security, mailbox) in [
            ("a", 143, Security::Plain, None),
            ("a:2143/Sent/2024", 2143, Security::Plain, Some("Sent/2024")),
            ("imaps://me@a/", 993, Security::Tls, None),
            (
                "imap://a/Trash/;UID=1:4,7:*",
                143,
                Security::Plain,
                Some("Trash"),
            ),
        ] {
            let target = Target::parse(text).unwrap();
            let endpoint = &target.endpoint;
            let name = target.mailbox.as_ref().map(Mailbox::name);
            assert_eq!(
                (endpoint.port, endpoint.security, name),
                (port, security, mailbox)
            );
        }
    }

    #[test]
    fn what_could_end_a_line_is_refused() {
        for wrong in [
            "http://a",
            "imap://a/INBOX%0d%0aa%20LOGOUT",
            "imap://a/%0a",
            "imap://a/x%00",
            "imap://me%0d%0a@a/",
            "imap://me:p%0a@a/",
            "imap://a/INBOX;UID=0",
            "imap://a/INBOX;UID=1%0d",
            "imap://a/INBOX;UID=1;UID=2",
            "imap://a/INBOX;SECTION=1",
            "imap://a/INBOX;UID=1/;SECTION=1]%20BODY[",
            "imap://a/INBOX;UIDVALIDITY=0",
            "imap://a/INBOX;UID=1;URLAUTH=anonymous:internal:00",
            "imap://a/;UID=1",
            "imap://a/INBOX?SUBJECT%20%7B3%7D",
            "imap://a/INBOX?ALL%0d%0ax",
            "imap://a/?ALL",
            "imap://a/INBOX#x",
            "imap://;AUTH=@a/",
            "imap://;AUTH=a%20b@a/",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
