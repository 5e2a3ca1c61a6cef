//! Who may come in: Basic (RFC 7617), Digest (RFC 7616) and Bearer (RFC 6750).

use std::collections::HashMap;
use std::sync::Mutex;

use base64::prelude::{Engine, BASE64_STANDARD};
use md5::Md5;
use proto_transport::certificate::hexadecimal;
use sha2::{Digest, Sha256};

use super::request::Request;
use crate::stop::locked;

/// How a client must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// With the password itself.
    Basic,
    /// With a digest of it: SHA-256 is offered first, then MD5.
    Digest,
}

/// Who may come in, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// How it is proved.
    pub scheme: Scheme,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing was proved.
    Unknown,
    /// The proof is right but its nonce is used up (RFC 7616 section 3.3).
    Stale,
}

/// The protection space of everything here.
const REALM: &str = "mock";

/// How often a nonce may be used before it is stale: few, so that clients must deal with it.
const USES: u32 = 3;

/// How many nonces are remembered; after that all of them are stale.
const NONCES: usize = 1000;

const ALGORITHMS: [&str; 2] = ["SHA-256", "MD5"];

/// The nonces that were given out.
#[derive(Default)]
pub(super) struct Nonces(Mutex<HashMap<String, Nonce>>);

#[derive(Default)]
struct Nonce {
    uses: u32,
    /// The last request's number, which must grow (RFC 7616 section 3.4).
    count: u64,
}

impl Nonces {
    /// Whether a request satisfies a protection.
    pub fn check(&self, request: &Request, protection: &Protection) -> Result<(), Refused> {
        let given = request.field("Authorization").ok_or(Refused::Unknown)?;
        match protection.scheme {
            Scheme::Basic => check_basic(given, protection),
            Scheme::Digest => self.check_digest(given, request, protection),
        }
    }

    /// The challenges to answer a refused request with.
    pub fn challenges(&self, scheme: Scheme, refused: Refused) -> Vec<String> {
        match scheme {
            Scheme::Basic => vec![format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"")],
            Scheme::Digest => {
                let nonce = self.new_nonce();
                let stale = match refused {
                    Refused::Stale => ", stale=true",
                    Refused::Unknown => "",
                };
                let challenge = |algorithm| {
                    format!("Digest realm=\"{REALM}\", qop=\"auth\", algorithm={algorithm}, nonce=\"{nonce}\", opaque=\"mock\"{stale}")
                };
                ALGORITHMS.map(challenge).to_vec()
            }
        }
    }

    fn new_nonce(&self) -> String {
        let mut bytes = [0; 16];
        // Should the system have no random bytes, all nonces are one, and clients work all the same.
        let _ = getrandom::fill(&mut bytes);
        let nonce = hexadecimal(&bytes);
        let mut nonces = locked(&self.0);
        if nonces.len() >= NONCES {
            nonces.clear();
        }
        nonces.insert(nonce.clone(), Nonce::default());
        nonce
    }

    fn check_digest(
        &self,
        given: &str,
        request: &Request,
        protection: &Protection,
    ) -> Result<(), Refused> {
        let given = parameters(given, "Digest").ok_or(Refused::Unknown)?;
        let value = |name: &str| given.get(name).map_or("", String::as_str);
        let right = response(&given, &request.method, protection).ok_or(Refused::Unknown)?;
        let uri = value("uri");
        let is_right = value("response").eq_ignore_ascii_case(&right)
            && value("username") == protection.user
            && value("realm") == REALM
            && value("qop") == "auth"
            && value("opaque") == "mock"
            && uri == request.target;
        if !is_right {
            return Err(Refused::Unknown);
        }
        let count = u64::from_str_radix(value("nc"), 16).unwrap_or(0);
        self.use_nonce(value("nonce"), count)
    }

    fn use_nonce(&self, nonce: &str, count: u64) -> Result<(), Refused> {
        let mut nonces = locked(&self.0);
        let nonce = nonces.get_mut(nonce).ok_or(Refused::Stale)?;
        if nonce.uses >= USES {
            return Err(Refused::Stale);
        }
        if count <= nonce.count {
            return Err(Refused::Unknown);
        }
        nonce.uses += 1;
        nonce.count = count;
        Ok(())
    }
}

fn check_basic(given: &str, protection: &Protection) -> Result<(), Refused> {
    let Protection { user, password, .. } = protection;
    let right = BASE64_STANDARD.encode(format!("{user}:{password}"));
    match after_scheme(given, "Basic") {
        Some(credentials) if credentials == right => Ok(()),
        _ => Err(Refused::Unknown),
    }
}

/// Whether a request bears this token.
pub(super) fn bears(request: &Request, token: &str) -> bool {
    let given = request.field("Authorization").unwrap_or_default();
    after_scheme(given, "Bearer") == Some(token)
}

fn after_scheme<'a>(given: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = given.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// The response that the password leads to (RFC 7616 section 3.4.1):
/// `KD(H(A1), nonce ":" nc ":" cnonce ":" qop ":" H(A2))`
fn response(
    given: &HashMap<String, String>,
    method: &str,
    protection: &Protection,
) -> Option<String> {
    let hash: fn(String) -> String = match given.get("algorithm").map(String::as_str) {
        Some("SHA-256") => hashed::<Sha256>,
        // Without a name it is MD5 (RFC 7616 section 3.3).
        Some("MD5") | None => hashed::<Md5>,
        Some(_) => return None,
    };
    let value = |name: &str| given.get(name).cloned().unwrap_or_default();
    let Protection { user, password, .. } = protection;
    let secret = hash(format!("{user}:{REALM}:{password}"));
    let request = hash(format!("{method}:{}", value("uri")));
    let (nonce, count, cnonce) = (value("nonce"), value("nc"), value("cnonce"));
    Some(hash(format!(
        "{secret}:{nonce}:{count}:{cnonce}:auth:{request}"
    )))
}

fn hashed<D: Digest>(text: String) -> String {
    hexadecimal(&D::digest(text.as_bytes()))
}

/// `name=token` and `name="quoted \" string"`, with commas between (RFC 9110 section 11.2)
fn parameters(given: &str, scheme: &str) -> Option<HashMap<String, String>> {
    let mut rest = after_scheme(given, scheme)?;
    let mut parameters = HashMap::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (value.trim().to_owned(), after)
            }
        };
        parameters.insert(name.trim().to_ascii_lowercase(), value);
        rest = after.trim_start_matches([',', ' ', '\t']);
    }
    Some(parameters)
}

/// What stands before the closing quote, and what after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protection(scheme: Scheme) -> Protection {
        Protection {
            scheme,
            user: "Mufasa".to_owned(),
            password: "Circle of Life".to_owned(),
        }
    }

    #[test]
    fn parameters_are_read_with_their_quotes() {
        let given = "digest a=b, C=\"d, \\\"e\\\"\",f=\"\" ";
        let found = parameters(given, "Digest").unwrap();
        assert_eq!(found["a"], "b");
        assert_eq!(found["c"], "d, \"e\"");
        assert_eq!(found["f"], "");
        assert_eq!(parameters("Digest a=\"b", "Digest"), None);
        assert_eq!(parameters("Basic a=b", "Digest"), None);
    }

    #[test]
    fn basic_wants_the_password_itself() {
        let protection = protection(Scheme::Basic);
        let right = "basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl";
        assert_eq!(check_basic(right, &protection), Ok(()));
        assert_eq!(
            check_basic("Basic eA==", &protection),
            Err(Refused::Unknown)
        );
    }

    /// The example of RFC 7616 section 3.9.1, whose realm is another.
    #[test]
    fn the_digest_is_that_of_the_standard() {
        let secret = hashed::<Sha256>("Mufasa:http-auth@example.org:Circle of Life".to_owned());
        let request = hashed::<Sha256>("GET:/dir/index.html".to_owned());
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let whole = format!("{secret}:{nonce}:00000001:{cnonce}:auth:{request}");
        assert_eq!(
            hashed::<Sha256>(whole),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn a_nonce_is_stale_after_a_few_uses_and_is_never_used_backwards() {
        let nonces = Nonces::default();
        let nonce = nonces.new_nonce();
        assert_eq!(nonces.use_nonce(&nonce, 1), Ok(()));
        assert_eq!(nonces.use_nonce(&nonce, 1), Err(Refused::Unknown));
        assert_eq!(nonces.use_nonce(&nonce, 2), Ok(()));
        assert_eq!(nonces.use_nonce(&nonce, 5), Ok(()));
        assert_eq!(nonces.use_nonce(&nonce, 6), Err(Refused::Stale));
        assert_eq!(nonces.use_nonce("unknown", 1), Err(Refused::Stale));
    }
}
