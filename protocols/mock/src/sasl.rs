//! The server's side of SASL (RFC 4422), for every protocol that logs in with it.
//!
//! The protocol carries the messages in its own way, mostly in base64; here is what they say.
//!
//! | mechanism | RFC |
//! |---|---|
//! | PLAIN | 4616 |
//! | LOGIN | draft-murchison-sasl-login |
//! | CRAM-MD5 | 2195 |
//! | SCRAM-SHA-1, SCRAM-SHA-256, with -PLUS | 5802, 7677, and 5929 for `tls-server-end-point` |
//! | OAUTHBEARER, XOAUTH2 | 7628, and what came before it |
//! | EXTERNAL, ANONYMOUS | 4422 appendix A, 4505 |
//!
//! Names and passwords are compared as they are: give them as SASLprep (RFC 4013) leaves them.

use base64::prelude::{Engine, BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use proto_transport::certificate::hexadecimal;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM with SHA-256, bound to the TLS channel.
    ScramSha256Plus,
    /// SCRAM with SHA-1, bound to the TLS channel.
    ScramSha1Plus,
    /// SCRAM with SHA-256.
    ScramSha256,
    /// SCRAM with SHA-1.
    ScramSha1,
    /// A digest of the password and a challenge.
    CramMd5,
    /// The password itself, in one message.
    Plain,
    /// The password itself, in two messages.
    Login,
    /// A token.
    OAuthBearer,
    /// A token, as it was before the standard.
    XOAuth2,
    /// What TLS knows. This server believes whatever is claimed.
    External,
    /// Nothing is proved.
    Anonymous,
}

/// Every mechanism, in the order in which servers offer them.
pub const MECHANISMS: [Mechanism; 11] = [
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha1Plus,
    Mechanism::ScramSha256,
    Mechanism::ScramSha1,
    Mechanism::CramMd5,
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
    Mechanism::External,
    Mechanism::Anonymous,
];

impl Mechanism {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha1 => "SCRAM-SHA-1",
            Mechanism::CramMd5 => "CRAM-MD5",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::OAuthBearer => "OAUTHBEARER",
            Mechanism::XOAuth2 => "XOAUTH2",
            Mechanism::External => "EXTERNAL",
            Mechanism::Anonymous => "ANONYMOUS",
        }
    }

    /// The mechanism of a name, in any case.
    pub fn named(name: &str) -> Option<Mechanism> {
        let is_it = |mechanism: &Mechanism| mechanism.name().eq_ignore_ascii_case(name);
        MECHANISMS.into_iter().find(is_it)
    }

    /// Whether it needs TLS, because it is bound to the channel.
    pub fn is_bound(self) -> bool {
        matches!(self, Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus)
    }
}

/// What the server knows when somebody logs in.
#[derive(Debug, Clone, Default)]
pub struct Guard<'g> {
    /// Names and passwords. A token is good if it is the user's password.
    pub users: &'g [(String, String)],
    /// The channel binding `tls-server-end-point`, where there is TLS.
    pub end_point: Option<Vec<u8>>,
    /// Whether a mechanism that is bound to the channel was offered.
    pub offers_binding: bool,
}

/// What the server does with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It says this and waits for an answer. It may be empty.
    Challenge(Vec<u8>),
    /// It knows who this is.
    Welcome(String),
    /// The proof is wrong. The reason is for people.
    Refused(&'static str),
    /// The message is none of this mechanism. The reason is for people.
    Broken(&'static str),
}

/// One attempt to log in.
pub struct Exchange<'g> {
    mechanism: Mechanism,
    guard: Guard<'g>,
    state: State,
    /// What is random, chosen ahead so that a test can choose it.
    nonce: String,
    salt: Vec<u8>,
}

enum State {
    Start,
    LoginPassword {
        user: String,
    },
    CramMd5 {
        challenge: String,
    },
    Scram(Box<Scram>),
    /// The client has our proof, and owes an empty message.
    ScramOver {
        user: String,
    },
    /// The client knows why, and owes a message before it is told so.
    BearerOver,
    Over,
}

/// What the last message of SCRAM depends on.
struct Scram {
    user: String,
    /// `c=` must repeat this header, and the channel binding.
    header: String,
    is_bound: bool,
    nonce: String,
    client_first: String,
    server_first: String,
}

/// How often the hash is applied: the least that RFC 5802 section 5.1 allows, since no secret here
/// is worth more.
const ITERATIONS: u32 = 4096;

/// The same for all: the passwords of a mock server are no secrets.
const SALT: &[u8] = b"mock server salt";

impl<'g> Exchange<'g> {
    /// An attempt with this mechanism.
    pub fn new(mechanism: Mechanism, guard: Guard<'g>) -> Exchange<'g> {
        let mut random = [0; 18];
        // Should the system have no random bytes, all nonces are one, and clients work all the same.
        let _ = getrandom::fill(&mut random);
        Exchange {
            mechanism,
            guard,
            state: State::Start,
            nonce: BASE64_STANDARD.encode(random),
            salt: SALT.to_vec(),
        }
    }

    /// What the server says when the client sent no initial response.
    pub fn begin(&mut self) -> Turn {
        match self.mechanism {
            Mechanism::Login => Turn::Challenge(b"Username:".to_vec()),
            Mechanism::CramMd5 => {
                let challenge = format!("<{}@localhost>", self.nonce);
                let turn = Turn::Challenge(challenge.clone().into_bytes());
                self.state = State::CramMd5 { challenge };
                turn
            }
            _ => Turn::Challenge(Vec::new()),
        }
    }

    /// What the server says to the client's next message, or to its initial response.
    pub fn answer(&mut self, message: &[u8]) -> Turn {
        let Ok(text) = std::str::from_utf8(message) else {
            self.state = State::Over;
            return Turn::Broken("the message is not UTF-8");
        };
        match std::mem::replace(&mut self.state, State::Over) {
            State::Start => self.first(text),
            State::LoginPassword { user } => self.check_password(&user, text),
            State::CramMd5 { challenge } => self.check_digest(&challenge, text),
            State::Scram(scram) => self.check_proof(&scram, text),
            State::ScramOver { user } if text.is_empty() => Turn::Welcome(user),
            State::ScramOver { .. } => Turn::Broken("the last message should be empty"),
            State::BearerOver => self.end_bearer(text),
            State::Over => Turn::Broken("the exchange is over"),
        }
    }

    fn first(&mut self, text: &str) -> Turn {
        match self.mechanism {
            Mechanism::Plain => self.plain(text),
            Mechanism::Login => {
                let user = text.to_owned();
                self.state = State::LoginPassword { user };
                Turn::Challenge(b"Password:".to_vec())
            }
            Mechanism::CramMd5 => Turn::Broken("CRAM-MD5 has no initial response"),
            Mechanism::OAuthBearer => self.oauth_bearer(text),
            Mechanism::XOAuth2 => self.xoauth2(text),
            Mechanism::External if text.is_empty() => Turn::Welcome("external".to_owned()),
            Mechanism::External => match self.password_of(text) {
                Some(_) => Turn::Welcome(text.to_owned()),
                None => Turn::Refused("no such user"),
            },
            Mechanism::Anonymous => Turn::Welcome("anonymous".to_owned()),
            Mechanism::ScramSha1
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1Plus
            | Mechanism::ScramSha256Plus => self.scram(text),
        }
    }

    fn password_of(&self, user: &str) -> Option<&'g str> {
        let known = self.guard.users.iter().find(|(name, _)| name == user);
        known.map(|(_, password)| password.as_str())
    }

    fn check_password(&self, user: &str, password: &str) -> Turn {
        match self.password_of(user) {
            Some(right) if right == password => Turn::Welcome(user.to_owned()),
            Some(_) => Turn::Refused("wrong password"),
            None => Turn::Refused("no such user"),
        }
    }

    /// RFC 4616 section 2: `message = [authzid] UTF8NUL authcid UTF8NUL passwd`.
    fn plain(&self, text: &str) -> Turn {
        let parts: Vec<&str> = text.split('\0').collect();
        let [authorized, user, password] = parts[..] else {
            return Turn::Broken("PLAIN takes three parts with a NUL between them");
        };
        if !authorized.is_empty() && authorized != user {
            return Turn::Refused("nobody may act for another");
        }
        self.check_password(user, password)
    }

    /// RFC 2195 section 2: the user, a space, and a digest in lower case hexadecimal.
    fn check_digest(&self, challenge: &str, text: &str) -> Turn {
        let Some((user, digest)) = text.rsplit_once(' ') else {
            return Turn::Broken("CRAM-MD5 takes a user, a space and a digest");
        };
        let Some(password) = self.password_of(user) else {
            return Turn::Refused("no such user");
        };
        let right = hmac::<Hmac<Md5>>(password.as_bytes(), challenge.as_bytes());
        match digest == hexadecimal(&right) {
            true => Turn::Welcome(user.to_owned()),
            false => Turn::Refused("wrong digest"),
        }
    }

    /// RFC 5802 section 7: `client-first-message = gs2-header [reserved-mext ","] username ","
    /// nonce ["," extensions]`, with `gs2-header = gs2-cbind-flag "," [authzid] ","`.
    fn scram(&mut self, text: &str) -> Turn {
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authorized), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Turn::Broken("the first message of SCRAM has too few parts");
        };
        if let Err(turn) = self.check_flag(flag) {
            return turn;
        }
        let mut attributes = bare.split(',');
        let user = attributes.next().and_then(|part| part.strip_prefix("n="));
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        let (Some(user), Some(nonce)) = (user.and_then(unescaped), nonce) else {
            return Turn::Broken("SCRAM begins with a user n= and a nonce r=");
        };
        let is_printable = |byte: u8| byte.is_ascii_graphic();
        if nonce.is_empty() || !nonce.bytes().all(is_printable) {
            return Turn::Broken("the nonce is empty or not printable");
        }
        match authorized.strip_prefix("a=").map(unescaped) {
            None if authorized.is_empty() => {}
            None | Some(None) => return Turn::Broken("the second part is no a= and not empty"),
            Some(Some(other)) if other != user => {
                return Turn::Refused("nobody may act for another")
            }
            Some(_) => {}
        }
        let nonce = format!("{nonce}{}", self.nonce);
        let salt = BASE64_STANDARD.encode(&self.salt);
        let server_first = format!("r={nonce},s={salt},i={ITERATIONS}");
        let turn = Turn::Challenge(server_first.clone().into_bytes());
        self.state = State::Scram(Box::new(Scram {
            user,
            header: format!("{flag},{authorized},"),
            is_bound: self.mechanism.is_bound(),
            nonce,
            client_first: bare.to_owned(),
            server_first,
        }));
        turn
    }

    /// RFC 5802 section 6: what the client says about channel binding.
    fn check_flag(&self, flag: &str) -> Result<(), Turn> {
        let is_bound = self.mechanism.is_bound();
        match flag {
            "n" | "y" if is_bound => Err(Turn::Broken("-PLUS is asked for without a binding")),
            "n" => Ok(()),
            "y" if self.guard.offers_binding => Err(Turn::Refused(
                "the client believes that no -PLUS was offered, but it was",
            )),
            "y" => Ok(()),
            "p=tls-server-end-point" if is_bound => Ok(()),
            _ if flag.starts_with("p=") && is_bound => {
                Err(Turn::Refused("this channel binding is not known here"))
            }
            _ if flag.starts_with("p=") => Err(Turn::Broken("a binding is given without -PLUS")),
            _ => Err(Turn::Broken("SCRAM begins with n, y or p=")),
        }
    }

    /// RFC 5802 section 7: `client-final-message = channel-binding "," nonce ["," extensions] "," proof`.
    fn check_proof(&mut self, scram: &Scram, text: &str) -> Turn {
        let Some((unproved, proof)) = text.rsplit_once(",p=") else {
            return Turn::Broken("the last message of SCRAM has no proof p=");
        };
        let mut attributes = unproved.split(',');
        let binding = attributes.next().and_then(|part| part.strip_prefix("c="));
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        let (Some(binding), Some(nonce), Ok(proof)) =
            (binding, nonce, BASE64_STANDARD.decode(proof))
        else {
            return Turn::Broken("the last message of SCRAM is c=, r= and p= in base64");
        };
        let mut bound = scram.header.clone().into_bytes();
        if scram.is_bound {
            bound.extend_from_slice(self.guard.end_point.as_deref().unwrap_or_default());
        }
        if binding != BASE64_STANDARD.encode(bound) {
            return Turn::Refused("the channel binding is another one");
        }
        if nonce != scram.nonce {
            return Turn::Refused("the nonce is another one");
        }
        let Some(password) = self.password_of(&scram.user) else {
            return Turn::Refused("no such user");
        };
        let hash = Hash::of(self.mechanism);
        let signed = format!("{},{},{unproved}", scram.client_first, scram.server_first);
        let salted = hash.stretch(password.as_bytes(), &self.salt);
        let client_key = hash.hmac(&salted, b"Client Key");
        let signature = hash.hmac(&hash.digest(&client_key), signed.as_bytes());
        let right = client_key.iter().zip(&signature).map(|(a, b)| a ^ b);
        if !right.eq(proof) {
            return Turn::Refused("wrong proof");
        }
        let server_key = hash.hmac(&salted, b"Server Key");
        let verifier = BASE64_STANDARD.encode(hash.hmac(&server_key, signed.as_bytes()));
        let user = scram.user.clone();
        self.state = State::ScramOver { user };
        Turn::Challenge(format!("v={verifier}").into_bytes())
    }

    /// RFC 7628 section 3.1: a GS2 header, then pairs that each end with ^A, then one more ^A.
    fn oauth_bearer(&mut self, text: &str) -> Turn {
        let Some((header, pairs)) = text.split_once('\x01') else {
            return Turn::Broken("OAUTHBEARER puts ^A behind its header");
        };
        let parts: Vec<&str> = header.split(',').collect();
        let ["n" | "y", authorized, ""] = parts[..] else {
            return Turn::Broken("OAUTHBEARER begins with n,a=USER,");
        };
        let Some(pairs) = pairs.strip_suffix("\x01\x01") else {
            return Turn::Broken("OAUTHBEARER ends with two ^A");
        };
        let mut pairs = pairs.split('\x01');
        let Some(token) = pairs.find_map(bearer) else {
            return Turn::Broken("OAUTHBEARER needs auth=Bearer TOKEN");
        };
        match authorized.strip_prefix("a=").map(unescaped) {
            Some(Some(user)) => self.check_token(Some(&user), token),
            None if authorized.is_empty() => self.check_token(None, token),
            None | Some(None) => Turn::Broken("OAUTHBEARER begins with n,a=USER,"),
        }
    }

    /// `"user=" user ^A "auth=Bearer " token ^A ^A`.
    fn xoauth2(&mut self, text: &str) -> Turn {
        let parts: Vec<&str> = text.split('\x01').collect();
        let [user, token, "", ""] = parts[..] else {
            return Turn::Broken("XOAUTH2 is user=, ^A, auth=Bearer TOKEN, and two ^A");
        };
        match (user.strip_prefix("user="), bearer(token)) {
            (Some(user), Some(token)) => self.check_token(Some(user), token),
            _ => Turn::Broken("XOAUTH2 is user=, ^A, auth=Bearer TOKEN, and two ^A"),
        }
    }

    /// A token says by itself who its user is; a name that is given must be that user's.
    fn check_token(&mut self, user: Option<&str>, token: &str) -> Turn {
        let mut users = self.guard.users.iter();
        let owner = users
            .find(|(name, password)| password == token && user.is_none_or(|user| user == name));
        if let Some((name, _)) = owner {
            return Turn::Welcome(name.clone());
        }
        self.state = State::BearerOver;
        let status = match self.mechanism {
            Mechanism::OAuthBearer => r#"{"status":"invalid_token","scope":"mail"}"#,
            _ => r#"{"status":"401","schemes":"bearer","scope":"mail"}"#,
        };
        Turn::Challenge(status.into())
    }

    /// RFC 7628 section 3.2.3: the client answers with ^A alone; before the standard, with nothing.
    fn end_bearer(&self, text: &str) -> Turn {
        let is_right = match self.mechanism {
            Mechanism::OAuthBearer => text == "\x01",
            _ => text.is_empty(),
        };
        match is_right {
            true => Turn::Refused("wrong token"),
            false => Turn::Broken("after an error the client sends an empty last message"),
        }
    }
}

/// RFC 7628 section 3.1 with RFC 6750 section 2.1: `auth=Bearer TOKEN`.
fn bearer(pair: &str) -> Option<&str> {
    let (scheme, token) = pair.strip_prefix("auth=")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

/// RFC 5802 section 5.1: a `saslname` writes a comma as `=2C` and an equals sign as `=3D`.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match part.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        plain.push(character);
        plain.push_str(rest);
    }
    (!plain.is_empty()).then_some(plain)
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn of(mechanism: Mechanism) -> Hash {
        match mechanism {
            Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => Hash::Sha1,
            _ => Hash::Sha256,
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => hmac::<Hmac<Sha1>>(key, data),
            Hash::Sha256 => hmac::<Hmac<Sha256>>(key, data),
        }
    }

    fn stretch(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, ITERATIONS).into(),
            Hash::Sha256 => {
                pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, ITERATIONS).into()
            }
        }
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so there is always one.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests;
