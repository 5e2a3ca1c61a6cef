//! What the news commands share: the way to a server that is read from and posted to.
//!
//! ```text
//! connect → CAPABILITIES → MODE READER → [STARTTLS → CAPABILITIES] → [AUTHINFO] → [COMPRESS]
//! ```

use proto_nntp::{Article, Client, Method, No, Session, Target};
use proto_transport::{Connector, Endpoint, Error, Refusal, Result, Security};

use crate::cli::CommonArgs;
use crate::login::{is_private, login, no_mechanism, secured, Login, UpgradeArgs};
use crate::mail::Summary;
use crate::protocol::NNTP;
use crate::report::{Record, Stage};

/// Options of all news commands.
#[derive(clap::Args)]
#[command(next_help_heading = "News")]
pub struct NewsArgs {
    /// Compress the conversation where the server can (RFC 8054)
    #[arg(long)]
    pub compress: bool,
    #[command(flatten)]
    pub upgrade: UpgradeArgs,
}

/// The server of URLs that name none, as for other news readers.
const SERVER: &str = "NNTPSERVER";

/// What a URL names; `news:misc.test` and the like are about the server that NNTPSERVER names.
pub fn target(url: &str) -> Result<Target> {
    match std::env::var(SERVER) {
        Ok(server) if !server.is_empty() => Target::parse_with(url, &server),
        _ => Target::parse(url),
    }
}

/// The way to one server.
pub struct Service {
    connector: Connector,
    target: Target,
    login: Option<Login>,
    method: Option<Method>,
    is_private: bool,
    /// Whether a server that demands TLS gets it, although nobody asked for it here.
    may_upgrade: bool,
    compresses: bool,
}

impl Service {
    /// The way to the server that `target` names, with the security that its use asks for.
    pub fn new(target: &Target, args: &NewsArgs, common: &CommonArgs) -> Result<Service> {
        let connector = common.connector(&NNTP)?;
        let login = login(common, target.url(), &target.endpoint)?;
        let mechanism = login.as_ref().and_then(|login| login.mechanism.as_deref());
        let method = mechanism
            .map(|name| Method::from_name(name).ok_or_else(|| no_mechanism(name, &["USER"])));
        let upgrade = &args.upgrade;
        let endpoint = secured(
            &target.endpoint,
            common,
            upgrade,
            login.is_some(),
            &connector,
        )?;
        Ok(Service {
            is_private: is_private(&endpoint, common, &connector),
            may_upgrade: endpoint.security == Security::Plain && !common.tls.plain,
            method: method.transpose()?,
            connector,
            target: target.at(endpoint),
            login,
            compresses: args.compress,
        })
    }

    /// A name for what is read there, which the state is kept under: `fred@host:119/misc.test`.
    pub fn account(&self, of: &str) -> String {
        let user = self.login.as_ref().map(Login::user).unwrap_or_default();
        let at = if user.is_empty() { "" } else { "@" };
        format!("{user}{at}{}/{of}", self.target.endpoint)
    }

    /// Has a conversation. A server that says in its midst that it wants TLS has it again with TLS.
    pub fn converse<T>(
        &self,
        record: &mut Record,
        mut act: impl FnMut(&mut Session, &mut Record) -> Result<T>,
    ) -> Result<T> {
        let result = match self.once(&self.target, record, &mut act) {
            Err(error) if No::of(&error) == Some(No::NeedsTls) && self.may_upgrade => {
                let endpoint = Endpoint {
                    security: Security::StartTls,
                    ..self.target.endpoint.clone()
                };
                self.once(&self.target.at(endpoint), record, &mut act)
            }
            result => result,
        };
        result.map_err(|error| self.hinted(error))
    }

    fn once<T>(
        &self,
        target: &Target,
        record: &mut Record,
        act: &mut impl FnMut(&mut Session, &mut Record) -> Result<T>,
    ) -> Result<T> {
        let mut session = self.open(target, record)?;
        let result = act(&mut session, record)?;
        session.quit();
        Ok(result)
    }

    fn reach(&self, target: &Target, record: &mut Record) -> Result<Client> {
        record.stage = Stage::Greeting;
        let mut client = Client::connect(&self.connector, target)?;
        record.connected(client.connection().facts(), false);
        record.stage = Stage::Command;
        client.ask_capabilities()?;
        client.mode_reader()?;
        if target.endpoint.security == Security::StartTls {
            record.stage = Stage::Tls;
            client = client.start_tls()?;
            record.connected(client.connection().facts(), false);
            client.ask_capabilities()?;
        }
        Ok(client)
    }

    fn open(&self, target: &Target, record: &mut Record) -> Result<Session> {
        let client = self.connector.once_more(|| self.reach(target, record))?;
        let mut session = match &self.login {
            Some(login) => {
                record.stage = Stage::Auth;
                client.log_in(&login.credentials, self.method, self.is_private)?
            }
            None => client.into_session(),
        };
        record.stage = Stage::Command;
        if self.compresses && session.capabilities().offers_with("COMPRESS", "DEFLATE") {
            session.compress()?;
        }
        Ok(session)
    }

    /// Whoever is asked to log in hears how.
    fn hinted(&self, error: Error) -> Error {
        match No::of(&error) == Some(No::NeedsLogin) && self.login.is_none() {
            true => error.advised("see -u"),
            false => error,
        }
    }
}

/// Whether a no is about all of the conversation, and not about one article.
pub fn ends_all(error: &Error) -> bool {
    matches!(No::of(error), Some(No::NeedsLogin | No::NeedsTls))
}

/// The error of something that is not on the server.
pub fn missing(session: &Session, what: &str) -> Error {
    Error::Refused {
        peer: session.connection().peer().to_owned(),
        doing: "looking for news".to_owned(),
        reply: format!("there is no {what}"),
        refusal: Refusal::Lasting,
    }
}

/// The error of an answer about another article than the one that was asked for.
pub fn another(session_peer: &str, wanted: &Article, got: &str) -> Error {
    Error::Malformed {
        peer: session_peer.to_owned(),
        doing: "fetching articles".to_owned(),
        rule: format!("the answer is about {wanted}, which was asked for"),
        excerpt: got.to_owned(),
    }
}

/// A server's text: UTF-8, as RFC 3977 has it, or else Latin-1.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// What a row tells of an article, from what `field` knows of its header.
pub fn summary<'f>(field: impl Fn(&str) -> Option<&'f [u8]>) -> Summary {
    let mut header = Vec::new();
    for name in ["Subject", "From", "Date", "Message-ID"] {
        if let Some(value) = field(name) {
            header.extend_from_slice(name.as_bytes());
            header.extend_from_slice(b": ");
            header.extend_from_slice(value);
            header.extend_from_slice(b"\r\n");
        }
    }
    Summary::of(&header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overview_is_decoded() {
        let field = |name: &str| -> Option<&[u8]> {
            match name {
                "Subject" => Some(b"=?utf-8?q?h=C3=AFhi?="),
                "Message-ID" => Some(b"<a@b>"),
                _ => None,
            }
        };
        let found = summary(field);
        assert_eq!(found.subject, "hïhi");
        assert_eq!(found.message_id.as_deref(), Some("<a@b>"));
        assert_eq!(found.date, None);
    }

    #[test]
    fn texts_are_utf_8_or_latin_1() {
        assert_eq!(text("ü".as_bytes()), "ü");
        assert_eq!(text(b"\xfc"), "ü");
    }
}
