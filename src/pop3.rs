//! What the POP3 commands share: the way to a maildrop, and which message is which.

use std::collections::HashMap;

use proto_pop3::{Client, Method, Numbers, Request, Session, Target};
use proto_transport::{Connector, Error, Result, Security};
use sha2::{Digest, Sha256};

use crate::cli::CommonArgs;
use crate::login::{is_private, login, no_mechanism, secured, Login, UpgradeArgs};
use crate::report::{Record, Stage};

/// The way to one maildrop.
pub struct Service {
    connector: Connector,
    target: Target,
    login: Login,
    method: Option<Method>,
    is_private: bool,
}

impl Service {
    /// The way to the maildrop that `target` names, with the security that its use asks for.
    pub fn new(target: &Target, upgrade: &UpgradeArgs, common: &CommonArgs) -> Result<Service> {
        let connector = common.connector(&["pop3"])?;
        let login = login(common, target.url(), &target.endpoint)?
            .ok_or_else(|| Error::illegal("whose maildrop? See -u, or pop3://user@host"))?;
        let method = login.mechanism.as_deref().map(|name| {
            Method::from_name(name).ok_or_else(|| no_mechanism(name, &["USER", "APOP"]))
        });
        let endpoint = secured(&target.endpoint, common, upgrade, true, &connector)?;
        Ok(Service {
            is_private: is_private(&endpoint, common, &connector),
            method: method.transpose()?,
            connector,
            target: target.at(endpoint),
            login,
        })
    }

    /// A name for the account, which the state is kept under.
    pub fn account(&self) -> String {
        format!("{}@{}", self.login.user(), self.target.endpoint)
    }

    fn reach(&self, record: &mut Record) -> Result<Client> {
        record.stage = Stage::Greeting;
        let mut client = Client::connect(&self.connector, &self.target)?;
        record.connected(client.connection().facts(), false);
        record.stage = Stage::Command;
        client.ask_capabilities()?;
        if self.target.endpoint.security == Security::StartTls {
            record.stage = Stage::Tls;
            client = client.start_tls()?;
            record.connected(client.connection().facts(), false);
            client.ask_capabilities()?;
        }
        Ok(client)
    }

    /// Connects, upgrades where that is asked for, and logs in.
    pub fn open(&self, record: &mut Record) -> Result<Session> {
        let client = self.connector.once_more(|| self.reach(record))?;
        record.stage = Stage::Auth;
        let session = client.log_in(&self.login.credentials, self.method, self.is_private)?;
        record.stage = Stage::Command;
        Ok(session)
    }
}

/// A message in a maildrop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number in this session.
    pub number: u32,
    /// Its octets, as the server tells them: a hint.
    pub size: u64,
    /// What tells it from all others, in every session.
    pub uid: String,
}

/// What is in a maildrop. Where the server gives no unique-id, or gives one twice, a digest of the
/// header takes its place.
pub fn listed(session: &mut Session) -> Result<Vec<Listed>> {
    let sizes = session.list()?;
    let uids = session.uidl()?;
    let uids: HashMap<u32, String> = uids.unwrap_or_default().into_iter().collect();
    let mut count = HashMap::new();
    for uid in uids.values() {
        *count.entry(uid.clone()).or_insert(0) += 1;
    }
    let is_unique = |uid: &&String| count.get(*uid) == Some(&1);
    let mut all: Vec<Listed> = Vec::with_capacity(sizes.len());
    for (number, size) in sizes {
        let uid = uids.get(&number).filter(is_unique).cloned();
        all.push(Listed {
            number,
            size,
            uid: uid.unwrap_or_default(),
        });
    }
    digest_the_rest(session, &mut all)?;
    Ok(all)
}

fn digest_the_rest(session: &mut Session, all: &mut [Listed]) -> Result<()> {
    let nameless = all.iter().filter(|listed| listed.uid.is_empty());
    let requests: Vec<Request> = nameless
        .map(|listed| Request::Top(listed.number, 0))
        .collect();
    if requests.is_empty() {
        return Ok(());
    }
    let mut digests = HashMap::new();
    session.fetch(requests, &mut |request, body| {
        let body = body?;
        let mut digest = Sha256::new();
        while let Some(part) = body.next_part()? {
            digest.update(part);
        }
        if let Request::Top(number, _) = request {
            let digest = proto_transport::certificate::hexadecimal(&digest.finalize());
            digests.insert(*number, format!("header-{digest}"));
        }
        Ok(())
    })?;
    for listed in all.iter_mut().filter(|listed| listed.uid.is_empty()) {
        listed.uid = digests.remove(&listed.number).unwrap_or_default();
    }
    Ok(())
}

/// Those that were asked for by number, in the command line and in the URL. One that is asked for
/// alone and is not there is an error.
pub fn chosen(all: Vec<Listed>, target: &Target, numbers: Option<&Numbers>) -> Result<Vec<Listed>> {
    let Some(numbers) = numbers.or(target.numbers.as_ref()) else {
        return Ok(all);
    };
    if let Some(number) = numbers
        .single()
        .find(|number| !all.iter().any(|listed| listed.number == *number))
    {
        return Err(Error::Refused {
            peer: target.endpoint.to_string(),
            doing: "looking for messages".to_owned(),
            reply: format!("there is no message {number}"),
            refusal: proto_transport::Refusal::Lasting,
        });
    }
    Ok(all
        .into_iter()
        .filter(|listed| numbers.contains(listed.number))
        .collect())
}
