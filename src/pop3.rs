//! What the POP3 commands share: the way to a maildrop, and which message is which.
//!
//! ```text
//! 0001a9f3... 4096          the server's unique-id, of 70 octets at most (RFC 1939 section 7), and
//!                           the message's size: some servers give an id twice, one day
//! header-DIGEST             of a message without one: what pop3-list shows
//! header-DIGEST-DIGEST      the same with all its bytes known: what the state remembers
//! header-DIGEST-DIGEST-2    the second of two that are equal in every byte
//! ```
//!
//! Two messages may have the same header, today or one after the other, so that a digest of the
//! header is good for passing over what was seen before, and never for deleting it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::iter::repeat_n;

use proto_pop3::{Client, Method, Numbers, Request, Session, Target};
use proto_transport::certificate::hexadecimal;
use proto_transport::{Connector, Error, Result, Security};
use sha2::{Digest, Sha256};

use crate::cli::CommonArgs;
use crate::login::{is_private, login, no_mechanism, secured, Login, UpgradeArgs};
use crate::protocol::POP3;
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
        let connector = common.connector(&POP3)?;
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
    /// The server's unique-id, or a digest of its header.
    pub uid: String,
    /// Whether it is the unique-id, which no other message has or will have. Others may have the
    /// same header.
    pub is_unique: bool,
}

impl Listed {
    /// What the state calls it, as far as a listing tells.
    pub fn name(&self) -> String {
        match self.is_unique {
            true => format!("{} {}", self.uid, self.size),
            false => self.uid.clone(),
        }
    }
}

/// What the digest of a header begins with. With it, it is longer than any unique-id.
const HEADER: &str = "header-";

/// The name of a message with this digest of its header, by the digest of all its bytes. There may
/// be several copies, which are counted from 1.
pub fn whole_name(header: &str, content: &[u8], copy: usize) -> String {
    let content = hexadecimal(content);
    match copy {
        1 => format!("{header}-{content}"),
        _ => format!("{header}-{content}-{copy}"),
    }
}

/// Whether a name is made of a unique-id.
pub fn is_unique(name: &str) -> bool {
    name.contains(' ')
}

/// The part of a name that a listing tells.
pub fn listed_name(name: &str) -> &str {
    let digits = 2 * <Sha256 as Digest>::output_size();
    match name.starts_with(HEADER) {
        true => name.get(..HEADER.len() + digits).unwrap_or(name),
        false => name,
    }
}

/// What is in a maildrop. Where the server gives no unique-id, or gives one twice, a digest of the
/// header takes its place.
pub fn listed(session: &mut Session) -> Result<Vec<Listed>> {
    let mut sizes = session.list()?;
    sizes.sort_by_key(|(number, _)| *number);
    sizes.dedup_by_key(|(number, _)| *number);
    let uids = session.uidl()?.unwrap_or_default();
    let uids = without_twins(uids, |(_, one), (_, other)| one.cmp(other));
    let uids = without_twins(uids, |(one, _), (other, _)| one.cmp(other));
    let mut uids = uids.into_iter().peekable();
    let mut all: Vec<Listed> = Vec::with_capacity(sizes.len());
    for (number, size) in sizes {
        while uids.next_if(|(other, _)| *other < number).is_some() {}
        let uid = uids.next_if(|(other, _)| *other == number);
        all.push(Listed {
            number,
            size,
            is_unique: uid.is_some(),
            uid: uid.map_or_else(String::new, |(_, uid)| uid),
        });
    }
    digest_the_rest(session, &mut all)?;
    Ok(all)
}

/// Those that have no equal, in order.
fn without_twins<T>(mut all: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    all.sort_unstable_by(&order);
    let groups = all.chunk_by(|one, other| order(one, other).is_eq());
    let is_alone = groups.flat_map(|group| repeat_n(group.len() == 1, group.len()));
    let mut is_alone = is_alone.collect::<Vec<_>>().into_iter();
    all.retain(|_| is_alone.next() == Some(true));
    all
}

fn digest_the_rest(session: &mut Session, all: &mut [Listed]) -> Result<()> {
    let nameless = all.iter().filter(|listed| !listed.is_unique);
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
            let digest = hexadecimal(&digest.finalize());
            digests.insert(*number, format!("{HEADER}{digest}"));
        }
        Ok(())
    })?;
    for listed in all.iter_mut().filter(|listed| !listed.is_unique) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_whole_messages_tell_their_header() {
        let header = format!("{HEADER}{}", "0".repeat(64));
        for copy in [1, 2] {
            let name = whole_name(&header, &[0xab; 32], copy);
            assert_eq!(listed_name(&name), header);
        }
        assert_ne!(whole_name(&header, &[1], 1), whole_name(&header, &[1], 2));
        for name in ["abc 7", "header-", "header-abc 7", &header] {
            assert_eq!(listed_name(name), name);
        }
        assert!(is_unique("abc 7") && !is_unique(&header));
    }

    #[test]
    fn who_has_a_twin_goes() {
        let order = |one: &(u32, &str), other: &(u32, &str)| one.1.cmp(other.1);
        let all = vec![(1, "b"), (2, "a"), (3, "b"), (4, "c"), (5, "b")];
        assert_eq!(without_twins(all, order), [(2, "a"), (4, "c")]);
        assert_eq!(without_twins(Vec::new(), order), []);
    }
}
