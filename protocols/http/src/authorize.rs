//! Who we are, when a server asks (RFC 9110 section 11).
//!
//! What was learned is kept per origin and user, and never said to another one. Nothing is said unasked,
//! except a token, a mechanism that the caller named, and what the same origin has accepted before.

use std::collections::HashMap;

use proto_auth::{basic, bearer, random_cnonce, Digest};
use proto_transport::{Endpoint, Error, Result, Secret};

use crate::challenge::{parse_challenges, Challenge};
use crate::reply::Head;
use crate::request::{Request, Target};

/// What proves who we are.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A user and a password.
    Password(String, Secret),
    /// A bearer token (RFC 6750).
    Token(Secret),
}

/// Where credentials for a target come from. What it says is kept for the target's origin and the
/// user in its URL.
pub type CredentialSource = Box<dyn Fn(&Target) -> Result<Option<Credentials>> + Send>;

/// A way to prove who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 7617: the password itself.
    Basic,
    /// RFC 7616: a proof that we know the password.
    Digest,
    /// RFC 6750: a token.
    Bearer,
}

impl Mechanism {
    /// The mechanism of this name, in any case.
    pub fn from_name(name: &str) -> Result<Mechanism> {
        match name.to_ascii_lowercase().as_str() {
            "basic" => Ok(Mechanism::Basic),
            "digest" => Ok(Mechanism::Digest),
            "bearer" => Ok(Mechanism::Bearer),
            _ => Err(Error::illegal(format!(
                "HTTP has no mechanism {name:?} here; there are Basic, Digest and Bearer"
            ))),
        }
    }
}

/// Whether what is said to an endpoint without TLS stays on this machine.
pub type Privacy = Box<dyn Fn(&Endpoint) -> bool + Send>;

/// The value of an Authorization field.
pub(crate) struct Authorization {
    pub(crate) scheme: String,
    pub(crate) value: Secret,
}

/// Answers servers that ask who we are.
pub struct Authorizer {
    source: Option<CredentialSource>,
    /// The only mechanism that may be used.
    pub mechanism: Option<Mechanism>,
    /// Whether a password or token may be sent without TLS to a host that is not this one.
    pub may_send_in_clear: bool,
    /// Who that is; where a proxy stands between, the name alone does not tell.
    pub is_private: Privacy,
    known: HashMap<Whose, Known>,
}

/// An origin, and the user in the URL, or the empty text. URLs of one origin may name several.
type Whose = (Endpoint, String);

fn whose(target: &Target) -> Whose {
    (target.endpoint.clone(), target.url().username().to_owned())
}

impl Default for Authorizer {
    fn default() -> Authorizer {
        Authorizer {
            source: None,
            mechanism: None,
            may_send_in_clear: false,
            is_private: Box::new(Endpoint::is_loopback),
            known: HashMap::new(),
        }
    }
}

/// What an origin has asked for.
enum Known {
    /// Nothing that could be said unasked.
    Nothing,
    Basic(Secret),
    Bearer(Secret),
    Digest(Box<Digest>, String, Secret),
}

impl Authorizer {
    /// Takes credentials from `source`.
    pub fn new(source: CredentialSource) -> Authorizer {
        Authorizer {
            source: Some(source),
            ..Authorizer::default()
        }
    }

    /// What may be said without being asked.
    pub(crate) fn known(&mut self, request: &Request) -> Result<Option<Authorization>> {
        if let Some(given) = request.authorization() {
            self.check_clear(request, "the header Authorization")?;
            return Ok(Some(given));
        }
        let whose = whose(&request.target);
        if !self.known.contains_key(&whose) {
            let unasked = match self.mechanism {
                Some(Mechanism::Digest) => None,
                _ => self.credentials(&request.target)?,
            };
            let known = match (unasked, self.mechanism) {
                (Some(Credentials::Token(token)), _) => Known::Bearer(bearer(&token)?),
                (Some(Credentials::Password(user, password)), Some(Mechanism::Basic)) => {
                    Known::Basic(basic(&user, &password)?)
                }
                _ => Known::Nothing,
            };
            self.known.insert(whose, known);
        }
        self.say(request)
    }

    /// The answer to a 401. `tried` tells that something was said already: then only a stale nonce
    /// is a reason to say it again (RFC 7616 section 3.3).
    pub(crate) fn answer(
        &mut self,
        request: &Request,
        head: &Head,
        tried: bool,
    ) -> Result<Option<Authorization>> {
        // Who brought an answer of their own wants no other one.
        if request.authorization().is_some() {
            return Ok(None);
        }
        let offered = parse_challenges(head.fields.all("WWW-Authenticate"));
        let digest = strongest(&offered);
        if tried && !digest.as_ref().is_some_and(Digest::is_stale) {
            return Ok(None);
        }
        let Some(credentials) = self.credentials(&request.target)? else {
            return Ok(None);
        };
        let allowed = |mechanism| self.mechanism.is_none_or(|only| only == mechanism);
        let offers = |scheme: &str| offered.iter().any(|challenge| challenge.scheme == scheme);
        let known = match (credentials, digest) {
            (Credentials::Password(user, password), Some(digest)) if allowed(Mechanism::Digest) => {
                Known::Digest(Box::new(digest), user, password)
            }
            (Credentials::Password(user, password), _)
                if offers("basic") && allowed(Mechanism::Basic) =>
            {
                Known::Basic(basic(&user, &password)?)
            }
            (Credentials::Token(token), _) if offers("bearer") => Known::Bearer(bearer(&token)?),
            _ => return Ok(None),
        };
        self.known.insert(whose(&request.target), known);
        self.say(request)
    }

    fn credentials(&self, target: &Target) -> Result<Option<Credentials>> {
        match &self.source {
            Some(source) => source(target),
            None => Ok(None),
        }
    }

    fn say(&mut self, request: &Request) -> Result<Option<Authorization>> {
        let (scheme, value) = match self.known.get_mut(&whose(&request.target)) {
            None | Some(Known::Nothing) => return Ok(None),
            Some(Known::Digest(digest, user, password)) => {
                let uri = request.target.origin_form();
                let method = request.method.as_str();
                let value = digest.answer(user, password, method, uri, &random_cnonce()?)?;
                return Ok(Some(Authorization {
                    scheme: "Digest".to_owned(),
                    value,
                }));
            }
            Some(Known::Basic(value)) => ("Basic", value.clone()),
            Some(Known::Bearer(value)) => ("Bearer", value.clone()),
        };
        self.check_clear(request, scheme)?;
        Ok(Some(Authorization {
            scheme: scheme.to_owned(),
            value,
        }))
    }

    /// Refuses what would send credentials where others may listen (RFC 7617 section 4, RFC 6750
    /// section 5.3).
    fn check_clear(&self, request: &Request, what: &str) -> Result<()> {
        let endpoint = &request.target.endpoint;
        let in_clear = endpoint.scheme == "http" && !(self.is_private)(endpoint);
        match in_clear && !self.may_send_in_clear {
            true => Err(Error::Insecure {
                peer: endpoint.to_string(),
                doing: "logging in".to_owned(),
                why: format!(
                    "{what} would send credentials in the clear; use https, or --plain to allow it"
                ),
                certificate: false,
            }),
            false => Ok(()),
        }
    }
}

/// The strongest Digest challenge that we can answer.
fn strongest(offered: &[Challenge]) -> Option<Digest> {
    let digests = offered
        .iter()
        .filter(|challenge| challenge.scheme == "digest");
    Digest::strongest(digests.map(|challenge| challenge.parameters.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::request::Method;
    use proto_transport::parse_url;

    fn request(url: &str) -> Request {
        let target = Target::from_url(&parse_url(url, "http").unwrap()).unwrap();
        Request::new(Method::get(), target)
    }

    fn asking(challenges: &[&str]) -> Head {
        let mut fields = Fields::default();
        for challenge in challenges {
            fields.push("WWW-Authenticate", *challenge);
        }
        Head {
            minor_version: 1,
            status: 401,
            reason: Vec::new(),
            fields,
        }
    }

    fn with_password() -> Authorizer {
        Authorizer::new(Box::new(|target| {
            let known = target.endpoint.host == "localhost";
            Ok(known.then(|| Credentials::Password("fred".into(), "secret".into())))
        }))
    }

    const BASIC: &str = "Basic realm=\"x\"";
    const MD5: &str = "Digest realm=\"x\", nonce=\"n\", qop=\"auth\"";
    const SHA: &str = "Digest realm=\"x\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";

    #[test]
    fn nothing_is_said_unasked() {
        let mut authorizer = with_password();
        assert!(authorizer.known(&request("localhost")).unwrap().is_none());
    }

    #[test]
    fn the_strongest_offer_is_taken_and_remembered() {
        let mut authorizer = with_password();
        let here = request("localhost");
        let head = asking(&[BASIC, MD5, SHA]);
        let said = authorizer.answer(&here, &head, false).unwrap().unwrap();
        assert_eq!(said.scheme, "Digest");
        assert!(said.value.reveal().contains("SHA-256"));
        let again = authorizer.known(&here).unwrap().unwrap();
        assert!(again.value.reveal().contains("nc=00000002"));
        let elsewhere = request("https://localhost");
        assert!(authorizer.known(&elsewhere).unwrap().is_none());
    }

    #[test]
    fn a_mechanism_that_was_named_is_the_only_one() {
        let mut authorizer = with_password();
        authorizer.mechanism = Some(Mechanism::Digest);
        let here = request("localhost");
        assert!(authorizer
            .answer(&here, &asking(&[BASIC]), false)
            .unwrap()
            .is_none());
        authorizer.mechanism = Some(Mechanism::Basic);
        let said = authorizer.known(&here).unwrap().unwrap();
        assert_eq!(
            (&said.scheme[..], said.value.reveal()),
            ("Basic", "ZnJlZDpzZWNyZXQ=")
        );
    }

    #[test]
    fn only_a_stale_nonce_is_a_reason_to_say_it_again() {
        let mut authorizer = with_password();
        let here = request("localhost");
        assert!(authorizer
            .answer(&here, &asking(&[SHA]), true)
            .unwrap()
            .is_none());
        let stale = format!("{SHA}, stale=true");
        assert!(authorizer
            .answer(&here, &asking(&[&stale]), true)
            .unwrap()
            .is_some());
    }

    #[test]
    fn the_password_stays_out_of_the_clear() {
        let source = |_: &Target| Ok(Some(Credentials::Password("fred".into(), "secret".into())));
        let mut authorizer = Authorizer::new(Box::new(source));
        let far = request("http://far.example");
        let refused = authorizer.answer(&far, &asking(&[BASIC]), false);
        assert!(matches!(refused, Err(Error::Insecure { .. })));
        assert!(authorizer
            .answer(&far, &asking(&[MD5]), false)
            .unwrap()
            .is_some());
        authorizer.may_send_in_clear = true;
        assert!(authorizer
            .answer(&far, &asking(&[BASIC]), false)
            .unwrap()
            .is_some());
        authorizer.may_send_in_clear = false;
        let safe = request("https://far.example");
        assert!(authorizer
            .answer(&safe, &asking(&[BASIC]), false)
            .unwrap()
            .is_some());
    }

    #[test]
    fn the_policy_says_who_may_listen() {
        let mut authorizer = with_password();
        authorizer.is_private = Box::new(|_| false);
        let here = request("localhost");
        let refused = authorizer.answer(&here, &asking(&[BASIC]), false);
        assert!(matches!(refused, Err(Error::Insecure { .. })));
    }

    #[test]
    fn users_of_one_origin_are_kept_apart() {
        let mut authorizer = Authorizer::new(Box::new(|target| {
            let user = target.url().username().to_owned();
            Ok(Some(Credentials::Password(user, "secret".into())))
        }));
        let mut said = |url: &str| {
            let request = request(url);
            let challenge = asking(&[BASIC]);
            let said = authorizer.answer(&request, &challenge, false);
            assert!(said.unwrap().is_some());
            let again = authorizer.known(&request).unwrap().unwrap();
            again.value.reveal().to_owned()
        };
        let (first, second) = (said("http://a@localhost/x"), said("http://b@localhost/y"));
        assert_ne!(first, second);
        assert_eq!(first, said("http://a@localhost/z"));
    }

    #[test]
    fn a_header_of_the_users_own_is_a_secret_too() {
        let mut authorizer = Authorizer::default();
        let mut far = request("http://far.example");
        far.authorize("Bearer canary".into()).unwrap();
        let refused = authorizer.known(&far);
        assert!(matches!(refused, Err(Error::Insecure { .. })));
        authorizer.may_send_in_clear = true;
        let said = authorizer.known(&far).unwrap().unwrap();
        assert_eq!(
            (&said.scheme[..], said.value.reveal()),
            ("Bearer", "canary")
        );
        let answer = authorizer.answer(&far, &asking(&[BASIC]), true);
        assert!(answer.unwrap().is_none());
    }

    #[test]
    fn hosts_without_credentials_hear_nothing() {
        let mut authorizer = with_password();
        let far = request("https://other.example");
        assert!(authorizer
            .answer(&far, &asking(&[BASIC, SHA]), false)
            .unwrap()
            .is_none());
    }
}
