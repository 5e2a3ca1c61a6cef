//! One login by SASL (RFC 4422): challenges in, answers out.
//!
//! ```text
//! initial_response ──▶ respond ──▶ … ──▶ finish        the server lets us in
//!                         │ └──────────▶ told          it does not, and may have said why
//!                         └────────────▶ SaslFailure   it breaks the rules: cancel
//! ```
//!
//! No mechanism answers more than three challenges, so that a server which always has another one
//! gets nowhere.

use std::fmt;
use std::mem;

use proto_transport::{Error, Secret};

use crate::cram;
use crate::credentials::{SaslContext, SaslCredentials};
use crate::failure::SaslFailure;
use crate::mechanism::SaslMechanism;
use crate::oauth;
use crate::plain;
use crate::scram::{random_nonce, Scram, ScramProof, Verdict};
use crate::select::permit;

/// One login: what was said, and what may come next.
pub struct SaslExchange {
    mechanism: SaslMechanism,
    /// What we say before the server does, until it is said.
    first: Option<Secret>,
    next: Next,
    told: Option<String>,
}

/// What is expected of the server, after our first words if there are any.
enum Next {
    /// LOGIN: it asks for the user, and then for the password. How it asks does not matter.
    LoginUser {
        user: Secret,
        password: Secret,
    },
    LoginPassword(Secret),
    /// CRAM-MD5: the challenge.
    CramMd5 {
        user: String,
        password: Secret,
    },
    /// SCRAM: the first message, and then the last.
    Scram(Box<Scram>),
    ScramProof(ScramProof),
    /// Success, or what is wrong with the token, to be answered with the apology.
    Token {
        token: Secret,
        apology: &'static str,
    },
    /// Success, all having been said.
    Success,
    /// A refusal, all having been said.
    Refusal,
    /// Nothing more: it is over, or was broken.
    Nothing,
}

impl Next {
    fn token(token: &Secret, apology: &'static str) -> Next {
        let token = token.clone();
        Next::Token { token, apology }
    }
}

impl SaslExchange {
    /// Prepares a login. `offered` are the server's mechanisms, as [`select`](crate::select) got
    /// them: SCRAM tells the server what we saw (RFC 5802 section 6).
    ///
    /// Whatever these credentials cannot say is an [`Error::Illegal`] here, before anything is
    /// sent; a secret in the clear is an [`Error::Insecure`].
    pub fn new(
        mechanism: SaslMechanism,
        credentials: &SaslCredentials,
        context: &SaslContext,
        offered: &[String],
    ) -> proto_transport::Result<SaslExchange> {
        SaslExchange::with_nonce(mechanism, credentials, context, offered, random_nonce()?)
    }

    pub(crate) fn with_nonce(
        mechanism: SaslMechanism,
        credentials: &SaslCredentials,
        context: &SaslContext,
        offered: &[String],
        nonce: String,
    ) -> proto_transport::Result<SaslExchange> {
        permit(mechanism, offered, credentials, context)?;
        let (first, next) = match (mechanism, credentials) {
            (SaslMechanism::External, _) => (
                Some(plain::external(credentials.identity())?),
                Next::Success,
            ),
            (SaslMechanism::Anonymous, _) => (
                Some(plain::anonymous(credentials.identity())?),
                Next::Success,
            ),
            (SaslMechanism::Plain, SaslCredentials::Password { user, password }) => {
                (Some(plain::plain(user, password)?), Next::Success)
            }
            (SaslMechanism::Login, SaslCredentials::Password { user, password }) => {
                let (user, password) = plain::login(user, password)?;
                (None, Next::LoginUser { user, password })
            }
            (SaslMechanism::CramMd5, SaslCredentials::Password { user, password }) => {
                plain::check_user(user)?;
                plain::check_password(password)?;
                let (user, password) = (user.clone(), password.clone());
                (None, Next::CramMd5 { user, password })
            }
            (_, SaslCredentials::Password { user, password }) => {
                let scram = Scram::new(mechanism, user, password, context, offered, nonce)?;
                (Some(scram.first()), Next::Scram(Box::new(scram)))
            }
            (SaslMechanism::XOAuth2, SaslCredentials::Token { user, token }) => {
                let first = oauth::xoauth2(user, token)?;
                (Some(first), Next::token(token, oauth::XOAUTH2_APOLOGY))
            }
            (_, SaslCredentials::Token { user, token }) => {
                let first = oauth::oauth_bearer(user, token, context)?;
                (Some(first), Next::token(token, oauth::OAUTH_BEARER_APOLOGY))
            }
            (_, SaslCredentials::Nothing { .. }) => {
                return Err(Error::illegal("a login needs a password or a token"));
            }
        };
        Ok(SaslExchange {
            mechanism,
            first,
            next,
            told: None,
        })
    }

    /// The mechanism of this login.
    pub fn mechanism(&self) -> SaslMechanism {
        self.mechanism
    }

    /// What may go with the command, if the mechanism has us speak first. It may be empty, which
    /// most protocols write as `=`. Who asks for it has to send it; who does not, because the
    /// protocol has no room for it, gets it from [`respond`](SaslExchange::respond) when the
    /// server asks with nothing.
    pub fn initial_response(&mut self) -> Option<Secret> {
        self.first.take()
    }

    /// The answer to a challenge, both as they are before base64. An error means: cancel the
    /// login, and try nothing else on this connection.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslFailure> {
        let next = mem::replace(&mut self.next, Next::Nothing);
        if let Some(first) = self.first.take() {
            expect_nothing(challenge)?;
            self.next = next;
            return Ok(first);
        }
        let (answer, next) = match next {
            Next::LoginUser { user, password } => (user, Next::LoginPassword(password)),
            Next::LoginPassword(password) => (password, Next::Success),
            Next::CramMd5 { user, password } => {
                (cram::answer(&user, &password, challenge)?, Next::Success)
            }
            Next::Scram(scram) => {
                let (answer, proof) = scram.answer(challenge)?;
                (answer, Next::ScramProof(proof))
            }
            Next::ScramProof(proof) => (Secret::new(""), self.after(&proof, challenge)?),
            Next::Token { token, apology } => {
                self.told = Some(oauth::explanation(challenge, &token));
                (apology.into(), Next::Refusal)
            }
            Next::Success | Next::Refusal | Next::Nothing => {
                return Err(SaslFailure::new(
                    "the server asks for more than the mechanism has to say (RFC 4422 section 3)",
                ));
            }
        };
        self.next = next;
        Ok(answer)
    }

    /// The server says that we are in. Fails if the mechanism does not end so, above all if the
    /// server has not proved that it knows the password where it has to. `data` is what came with
    /// the success, decoded, if anything did.
    pub fn finish(&mut self, data: Option<&[u8]>) -> Result<(), SaslFailure> {
        let data = data.unwrap_or_default();
        let next = match mem::replace(&mut self.next, Next::Nothing) {
            _ if self.first.is_some() => Next::Nothing,
            Next::ScramProof(_) if data.is_empty() => {
                return Err(SaslFailure::new(
                    "a server that lets us in proves with v= that it knows the password \
                     (RFC 5802 section 5)",
                ));
            }
            Next::ScramProof(proof) => self.after(&proof, data)?,
            next => {
                expect_nothing(data)?;
                next
            }
        };
        match next {
            Next::Success | Next::Token { .. } => Ok(()),
            Next::Refusal => Err(SaslFailure::new(
                "the server lets us in after it said why not (RFC 4422 section 3.6)",
            )),
            _ => Err(SaslFailure::new(
                "the server lets us in before all was said (RFC 4422 section 3)",
            )),
        }
    }

    /// Why the server does not let us in, if it has said so in the exchange: SCRAM's `e=`, the
    /// JSON of the token mechanisms. Escaped and cut, for the report of a refusal.
    pub fn told(&self) -> Option<&str> {
        self.told.as_deref().filter(|told| !told.is_empty())
    }

    /// What may follow SCRAM's last message.
    fn after(&mut self, proof: &ScramProof, message: &[u8]) -> Result<Next, SaslFailure> {
        match proof.check(message)? {
            Verdict::Proved => Ok(Next::Success),
            Verdict::Refused(why) => {
                self.told = Some(why);
                Ok(Next::Refusal)
            }
        }
    }
}

/// Neither where we speak first (RFC 4422 section 3), nor with the success of a mechanism that
/// has all it needs.
fn expect_nothing(data: &[u8]) -> Result<(), SaslFailure> {
    match data.is_empty() {
        true => Ok(()),
        false => Err(SaslFailure::new(
            "the server says something where the mechanism has it say nothing (RFC 4422 section 3)",
        )),
    }
}

/// Without what it knows: names and hashes are nobody's business.
impl fmt::Debug for SaslExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslExchange")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn password() -> SaslCredentials {
        SaslCredentials::Password {
            user: "user".to_owned(),
            password: "pencil".into(),
        }
    }

    fn token() -> SaslCredentials {
        SaslCredentials::Token {
            user: "user".to_owned(),
            token: "pencil".into(),
        }
    }

    fn private() -> SaslContext {
        SaslContext {
            is_private: true,
            end_point: Some(vec![1; 32]),
            host: "localhost".to_owned(),
            port: 143,
        }
    }

    /// An exchange with credentials of the right kind, and the nonce of RFC 5802 section 5.
    fn exchange(mechanism: SaslMechanism) -> SaslExchange {
        let credentials = match mechanism {
            SaslMechanism::OAuthBearer | SaslMechanism::XOAuth2 => token(),
            _ => password(),
        };
        let nonce = "fyko+d2lbbFgONRv9qkxdawL".to_owned();
        // So that SCRAM says "n".
        let context = SaslContext {
            end_point: Some(vec![1; 32]).filter(|_| mechanism.is_bound()),
            ..private()
        };
        SaslExchange::with_nonce(mechanism, &credentials, &context, &[], nonce).unwrap()
    }

    fn said(answer: Result<Secret, SaslFailure>) -> String {
        answer.unwrap().reveal().to_owned()
    }

    const SERVER_FIRST: &[u8] =
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
    const SERVER_FINAL: &[u8] = b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=";

    /// The example of RFC 5802 section 5, up to where the server has to prove itself.
    fn scram() -> SaslExchange {
        let mut exchange = exchange(SaslMechanism::ScramSha1);
        let first = exchange.initial_response().unwrap();
        assert_eq!(first.reveal(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let answer = said(exchange.respond(SERVER_FIRST));
        assert!(answer.ends_with(",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="));
        exchange
    }

    #[test]
    fn scram_ends_with_a_challenge() {
        let mut exchange = scram();
        assert_eq!(said(exchange.respond(SERVER_FINAL)), "");
        assert_eq!(exchange.finish(None), Ok(()));
    }

    #[test]
    fn scram_ends_with_the_success() {
        assert_eq!(scram().finish(Some(SERVER_FINAL)), Ok(()));
        let mut exchange = scram();
        exchange.respond(SERVER_FINAL).unwrap();
        assert_eq!(exchange.finish(Some(b"")), Ok(()));
    }

    #[test]
    fn success_without_proof_is_a_failure() {
        let wrong: &[u8] = b"v=rmF9pqV8S7suAoZWja4dJRkFsKA=";
        for data in [None, Some(&b""[..]), Some(wrong), Some(b"v="), Some(b"x")] {
            assert!(scram().finish(data).is_err(), "{data:?}");
        }
        let mut exchange = scram();
        assert!(exchange.respond(wrong).is_err());
        assert!(exchange.finish(None).is_err());
        assert!(exchange.finish(Some(SERVER_FINAL)).is_err());
        // Before there was anything to prove.
        let mut exchange = self::exchange(SaslMechanism::ScramSha1);
        exchange.initial_response();
        assert!(exchange.finish(Some(SERVER_FINAL)).is_err());
    }

    #[test]
    fn scram_is_not_said_twice() {
        for more in [SERVER_FINAL, SERVER_FIRST, b""] {
            let mut exchange = scram();
            exchange.respond(SERVER_FINAL).unwrap();
            assert!(exchange.respond(more).is_err());
            assert!(exchange.finish(None).is_err());
        }
        for data in [SERVER_FINAL, b"v=AA=="] {
            let mut exchange = scram();
            exchange.respond(SERVER_FINAL).unwrap();
            assert!(exchange.finish(Some(data)).is_err());
        }
        let mut exchange = scram();
        assert!(exchange.respond(SERVER_FIRST).is_err());
        let mut exchange = scram();
        exchange.finish(Some(SERVER_FINAL)).unwrap();
        assert!(exchange.finish(Some(SERVER_FINAL)).is_err());
    }

    #[test]
    fn scram_tells_why_not() {
        let mut exchange = scram();
        assert_eq!(exchange.told(), None);
        assert_eq!(said(exchange.respond(b"e=invalid-proof")), "");
        assert_eq!(exchange.told(), Some("invalid-proof"));
        assert!(exchange.respond(SERVER_FINAL).is_err());
        assert!(exchange.finish(Some(SERVER_FINAL)).is_err());

        let mut exchange = scram();
        exchange.respond(b"e=invalid-proof").unwrap();
        assert!(exchange.finish(None).is_err());

        let mut exchange = scram();
        assert!(exchange.finish(Some(b"e=other-error")).is_err());
        assert_eq!(exchange.told(), Some("other-error"));
    }

    #[test]
    fn login_does_not_care_how_it_is_asked() {
        for prompts in [
            ["Username:", "Password:"],
            ["Password:", ""],
            ["\0", "\x1b"],
        ] {
            let mut exchange = exchange(SaslMechanism::Login);
            assert_eq!(exchange.initial_response(), None);
            assert_eq!(said(exchange.respond(prompts[0].as_bytes())), "user");
            assert_eq!(said(exchange.respond(prompts[1].as_bytes())), "pencil");
            assert_eq!(exchange.finish(None), Ok(()));
        }
        let mut exchange = exchange(SaslMechanism::Login);
        exchange.respond(b"Username:").unwrap();
        assert!(exchange.finish(None).is_err());
    }

    #[test]
    fn cram_answers_once() {
        let mut exchange = exchange(SaslMechanism::CramMd5);
        assert_eq!(exchange.initial_response(), None);
        assert!(said(exchange.respond(b"<1@localhost>")).starts_with("user "));
        assert_eq!(exchange.finish(None), Ok(()));
        assert!(self::exchange(SaslMechanism::CramMd5).finish(None).is_err());
    }

    #[test]
    fn the_first_words_wait_for_the_server_if_they_must() {
        for mechanism in SaslMechanism::all() {
            let mut early = exchange(*mechanism);
            let first = early.initial_response();
            assert_eq!(first.is_some(), mechanism.is_client_first());
            assert_eq!(early.mechanism(), *mechanism);
            let Some(first) = first else { continue };
            assert_eq!(exchange(*mechanism).respond(b""), Ok(first));
            // A server that says something has not understood the mechanism.
            let mut broken = exchange(*mechanism);
            assert!(broken.respond(b"Username:").is_err());
            assert!(broken.respond(b"").is_err());
            assert!(exchange(*mechanism).finish(None).is_err());
        }
    }

    #[test]
    fn one_message_is_all() {
        for (mechanism, expected) in [
            (SaslMechanism::Plain, "\0user\0pencil"),
            (SaslMechanism::External, "user"),
            (SaslMechanism::Anonymous, "user"),
        ] {
            let mut exchange = exchange(mechanism);
            assert_eq!(exchange.initial_response().unwrap().reveal(), expected);
            assert_eq!(exchange.finish(None), Ok(()));
            let mut exchange = self::exchange(mechanism);
            exchange.initial_response();
            assert!(exchange.finish(Some(b"x")).is_err());
            let mut exchange = self::exchange(mechanism);
            exchange.initial_response();
            assert!(exchange.respond(b"").is_err());
            assert!(exchange.finish(None).is_err());
        }
    }

    #[test]
    fn tokens_are_apologised_for() {
        // RFC 7628 section 4.4; the documentation of XOAUTH2 has the like.
        let error = br#"{"status":"invalid_token","schemes":"bearer mac","scope":"pencil"}"#;
        let shown = r#"{"status":"invalid_token","schemes":"bearer mac","scope":"(secret)"}"#;
        for (mechanism, apology) in [
            (SaslMechanism::OAuthBearer, "\x01"),
            (SaslMechanism::XOAuth2, ""),
        ] {
            let mut exchange = exchange(mechanism);
            exchange.initial_response();
            assert_eq!(said(exchange.respond(error)), apology);
            assert_eq!(exchange.told(), Some(shown));
            assert!(exchange.finish(None).is_err());

            let mut exchange = self::exchange(mechanism);
            exchange.initial_response();
            assert_eq!(exchange.finish(None), Ok(()));

            let mut exchange = self::exchange(mechanism);
            exchange.initial_response();
            exchange.respond(b"").unwrap();
            assert_eq!(exchange.told(), None);
            assert!(exchange.respond(b"").is_err());
        }
    }

    #[test]
    fn what_cannot_be_said_is_known_before() {
        let with_user = |user: &str| SaslCredentials::Password {
            user: user.to_owned(),
            password: "pencil".into(),
        };
        for mechanism in SaslMechanism::all() {
            for credentials in [with_user(""), with_user("a\0")] {
                let made = SaslExchange::new(*mechanism, &credentials, &private(), &[]);
                let may_be_empty = matches!(
                    mechanism,
                    SaslMechanism::External | SaslMechanism::Anonymous
                );
                match made {
                    Ok(_) => assert!(may_be_empty && credentials.identity().is_empty()),
                    Err(error) => assert!(matches!(error, Error::Illegal { .. }), "{error}"),
                }
            }
        }
        let in_the_clear = SaslContext::default();
        let made = SaslExchange::new(SaslMechanism::Plain, &password(), &in_the_clear, &[]);
        assert!(matches!(made, Err(Error::Insecure { .. })));
    }

    #[test]
    fn nothing_secret_is_shown() {
        for mechanism in SaslMechanism::all() {
            let mut exchange = exchange(*mechanism);
            for challenge in [&b""[..], SERVER_FIRST, b"v=AA=="] {
                let answer = exchange.respond(challenge);
                let shown = format!("{exchange:?} {answer:?}");
                for secret in ["pencil", "p=v0X8", "user"] {
                    assert!(!shown.contains(secret), "{shown}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_server_does_no_harm(
            index in 0..SaslMechanism::all().len(),
            is_early: bool,
            challenges in prop::collection::vec(
                prop_oneof![
                    Just(Vec::new()),
                    Just(SERVER_FINAL.to_vec()),
                    any::<Vec<u8>>(),
                    "[rsvem]=[!-~]{0,9},[si]=[A-Z0-9=]{0,9}".prop_map(String::into_bytes),
                ],
                7,
            ),
        ) {
            let mut exchange = exchange(SaslMechanism::all()[index]);
            if is_early {
                exchange.initial_response();
            }
            let answered = challenges.iter().take_while(|it| exchange.respond(it).is_ok()).count();
            // Row upon row of challenges: after three answers nothing is left to say.
            prop_assert!(answered <= 3);
            prop_assert!(exchange.finish(None).is_err());
            prop_assert!(exchange.told().is_none_or(|told| !told.contains(char::is_control)));
        }
    }
}
