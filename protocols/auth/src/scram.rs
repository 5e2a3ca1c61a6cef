//! SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, and nobody says it.
//!
//! ```text
//! C: n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL
//! S: r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096
//! C: c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=
//! S: v=rmF9pqV8S7suAoZWja4dJRkFsKQ=
//! ```

use proto_transport::{excerpt, Secret};

use crate::credentials::SaslContext;
use crate::encoding::encode;
use crate::failure::SaslFailure;
use crate::keyed_hash::Key;
use crate::mechanism::SaslMechanism;
use crate::plain::{check_password, check_user};
use crate::prepare::{escaped_name, prepare};
use crate::random::random;
use crate::scram_keys::ScramHash;
use crate::scram_messages::{server_final, server_first, text, ServerFinal};

/// How many random bytes a nonce has, before base64: as many as nobody can guess or meets twice.
const NONCE_BYTES: usize = 24;

/// Before the server's first message.
pub(crate) struct Scram {
    hash: ScramHash,
    password: Secret,
    nonce: String,
    gs2_header: &'static str,
    /// What the -PLUS forms bind to, else nothing.
    binding: Vec<u8>,
    /// `client-first-message-bare`
    first_bare: String,
}

/// Before the server's last message.
pub(crate) struct ScramProof {
    hash: ScramHash,
    server_key: Key,
    /// `AuthMessage`: all that was said, but for the proofs.
    messages: String,
}

/// How it ended, if it ended by the rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server knows the password.
    Proved,
    /// The server says why it does not let us in, escaped.
    Refused(String),
}

impl Scram {
    /// `nonce` is to be unpredictable: see [`random_nonce`]. `offered` are the server's mechanisms.
    pub(crate) fn new(
        mechanism: SaslMechanism,
        user: &str,
        password: &Secret,
        context: &SaslContext,
        offered: &[String],
        nonce: String,
    ) -> proto_transport::Result<Scram> {
        let user = prepare("the user name", user)?;
        let password = prepare("the password", password.reveal())?;
        // What was there may be gone now (RFC 5802 section 5.1).
        check_user(user.reveal())?;
        check_password(&password)?;
        let binding = match mechanism.is_bound() {
            true => context.end_point.clone().unwrap_or_default(),
            false => Vec::new(),
        };
        Ok(Scram {
            hash: hash(mechanism),
            password,
            first_bare: format!("n={},r={nonce}", escaped_name(user.reveal())),
            nonce,
            gs2_header: gs2_header(mechanism, context, offered),
            binding,
        })
    }

    /// `client-first-message = gs2-header client-first-message-bare`
    pub(crate) fn first(&self) -> Secret {
        Secret::new(format!("{}{}", self.gs2_header, self.first_bare))
    }

    /// The answer to the server's first message, and what its last one is to be checked with.
    ///
    /// ```text
    /// client-final-message               = client-final-message-without-proof "," proof
    /// client-final-message-without-proof = channel-binding "," nonce
    /// channel-binding                    = "c=" base64( gs2-header [ cbind-data ] )
    /// proof                              = "p=" base64
    /// ```
    pub(crate) fn answer(self, challenge: &[u8]) -> Result<(Secret, ScramProof), SaslFailure> {
        let challenge = text(challenge)?;
        let server = server_first(challenge, &self.nonce)?;
        let bound = [self.gs2_header.as_bytes(), &self.binding].concat();
        let without_proof = format!("c={},r={}", encode(&bound).reveal(), server.nonce);
        let messages = format!("{},{challenge},{without_proof}", self.first_bare);
        let (salt, iterations) = (&server.salt, server.iterations);
        let keys = self.hash.keys(&self.password, salt, iterations, &messages);
        let proof = encode(&keys.proof);
        let answer = Secret::new(format!("{without_proof},p={}", proof.reveal()));
        let expected = ScramProof {
            hash: self.hash,
            server_key: keys.server_key,
            messages,
        };
        Ok((answer, expected))
    }
}

impl ScramProof {
    /// What the server's last message means. One that proves nothing is a failure.
    pub(crate) fn check(&self, message: &[u8]) -> Result<Verdict, SaslFailure> {
        let verifier = match server_final(text(message)?)? {
            ServerFinal::Verifier(verifier) => verifier,
            ServerFinal::Error(why) => return Ok(Verdict::Refused(excerpt(why.as_bytes()))),
        };
        let (key, messages) = (&self.server_key, &self.messages);
        match self.hash.is_server_signature(key, messages, &verifier) {
            true => Ok(Verdict::Proved),
            false => Err(SaslFailure::new(
                "the server does not know the password: its v= is wrong (RFC 5802 section 5)",
            )),
        }
    }
}

/// A fresh nonce: `printable`, because base64 is (RFC 5802 section 7).
pub(crate) fn random_nonce() -> proto_transport::Result<String> {
    Ok(encode(&random::<NONCE_BYTES>()?).reveal().to_owned())
}

fn hash(mechanism: SaslMechanism) -> ScramHash {
    match mechanism {
        SaslMechanism::ScramSha1 | SaslMechanism::ScramSha1Plus => ScramHash::Sha1,
        _ => ScramHash::Sha256,
    }
}

/// `gs2-header = gs2-cbind-flag "," [ authzid ] ","`, without the second. "y" says that we could
/// bind and saw no way to: a server that did offer one then knows that somebody has taken it off
/// the list (RFC 5802 section 6).
fn gs2_header(mechanism: SaslMechanism, context: &SaslContext, offered: &[String]) -> &'static str {
    if mechanism.is_bound() {
        return "p=tls-server-end-point,,";
    }
    let could_bind = context.end_point.is_some();
    let is_offered = mechanism
        .bound()
        .is_some_and(|bound| bound.is_among(offered));
    match could_bind && !is_offered {
        true => "y,,",
        false => "n,,",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use proto_transport::Error;
    use sha2::{Digest, Sha256};

    use crate::decode;

    fn scram(mechanism: SaslMechanism, user: &str, password: &str, nonce: &str) -> Scram {
        let context = SaslContext::default();
        let nonce = nonce.to_owned();
        Scram::new(mechanism, user, &password.into(), &context, &[], nonce).unwrap()
    }

    /// Both sides of a conversation that goes well.
    fn converse(mechanism: SaslMechanism, said: [&str; 4]) -> ScramProof {
        let nonce = said[0].rsplit_once("r=").unwrap().1;
        let scram = scram(mechanism, "user", "pencil", nonce);
        assert_eq!(scram.first().reveal(), said[0]);
        let (answer, proof) = scram.answer(said[1].as_bytes()).unwrap();
        assert_eq!(answer.reveal(), said[2]);
        assert_eq!(proof.check(said[3].as_bytes()), Ok(Verdict::Proved));
        proof
    }

    fn sha1_example() -> ScramProof {
        converse(
            SaslMechanism::ScramSha1,
            [
                "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ],
        )
    }

    #[test]
    fn the_example_of_rfc_5802() {
        sha1_example();
    }

    #[test]
    fn the_example_of_rfc_7677() {
        converse(
            SaslMechanism::ScramSha256,
            [
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ],
        );
    }

    #[test]
    fn only_the_right_signature_proves() {
        let proof = sha1_example();
        for message in [
            "v=rmF9pqV8S7suAoZWja4dJRkFsKA=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsA==",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQA",
            "v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "v=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=AA==",
        ] {
            assert!(proof.check(message.as_bytes()).is_err(), "{message}");
        }
        let right = "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=";
        for end in 0..right.len() {
            assert!(proof.check(&right.as_bytes()[..end]).is_err(), "{end}");
        }
        let refused = proof.check(b"e=invalid-\x1bproof");
        let why = "invalid-\\x1bproof".to_owned();
        assert_eq!(refused, Ok(Verdict::Refused(why)));
    }

    fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
        let hash = Hmac::<Sha256>::new_from_slice(key).unwrap();
        hash.chain_update(message).finalize().into_bytes().into()
    }

    /// What a server has to do, step by step (RFC 5802 section 3): it stores two keys, recovers
    /// the client's from the proof, and signs. Returns its last message.
    fn server_final_of(first_bare: &str, server_first: &str, client_final: &str) -> String {
        let (salt, iterations) = (b"0123456789abcdef", 4096);
        // Hi( ), as the RFC writes it.
        let mut last = mac(b"pencil", &[salt, &[0, 0, 0, 1][..]].concat());
        let mut salted = last;
        for _ in 1..iterations {
            last = mac(b"pencil", &last);
            salted
                .iter_mut()
                .zip(last)
                .for_each(|(all, next)| *all ^= next);
        }
        let stored_key = Sha256::digest(mac(&salted, b"Client Key"));
        let (without_proof, proof) = client_final.rsplit_once(",p=").unwrap();
        let messages = format!("{first_bare},{server_first},{without_proof}");
        let mut client_key = decode(proof.as_bytes()).unwrap();
        let signature = mac(&stored_key, messages.as_bytes());
        client_key
            .iter_mut()
            .zip(signature)
            .for_each(|(key, next)| *key ^= next);
        assert_eq!(Sha256::digest(&client_key), stored_key);
        let server_key = mac(&salted, b"Server Key");
        format!(
            "v={}",
            encode(&mac(&server_key, messages.as_bytes())).reveal()
        )
    }

    #[test]
    fn binding_binds() {
        let context = SaslContext {
            end_point: Some(vec![0xff; 32]),
            ..SaslContext::default()
        };
        let mechanism = SaslMechanism::ScramSha256Plus;
        let offered = [mechanism.name().to_owned()];
        let nonce = "nonce".to_owned();
        let password = Secret::from("pencil");
        let scram = Scram::new(mechanism, "a,=b", &password, &context, &offered, nonce).unwrap();
        let first_bare = "n=a=2C=3Db,r=nonce";
        let first = format!("p=tls-server-end-point,,{first_bare}");
        assert_eq!(scram.first().reveal(), first);

        let server_first = "r=nonce+,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096,x=ignored";
        let (answer, proof) = scram.answer(server_first.as_bytes()).unwrap();
        let bound = [b"p=tls-server-end-point,,".as_slice(), &[0xff; 32]].concat();
        let expected = format!("c={},r=nonce+,p=", encode(&bound).reveal());
        assert!(
            answer.reveal().starts_with(&expected),
            "{}",
            answer.reveal()
        );
        let server_final = server_final_of(first_bare, server_first, answer.reveal());
        assert_eq!(proof.check(server_final.as_bytes()), Ok(Verdict::Proved));
    }

    #[test]
    fn the_flag_says_what_we_could_and_saw() {
        use SaslMechanism::{ScramSha1, ScramSha1Plus, ScramSha256, ScramSha256Plus};
        let both = "SCRAM-SHA-256 scram-sha-256-plus";
        let only = "SCRAM-SHA-256 SCRAM-SHA-1";
        let other = "SCRAM-SHA-256 SCRAM-SHA-1 SCRAM-SHA-1-PLUS";
        for (mechanism, can_bind, offered, expected) in [
            (ScramSha256Plus, true, both, "p=tls-server-end-point,,"),
            (ScramSha1Plus, true, other, "p=tls-server-end-point,,"),
            (ScramSha256, true, both, "n,,"),
            (ScramSha256, true, only, "y,,"),
            (ScramSha256, true, other, "y,,"),
            (ScramSha1, true, other, "n,,"),
            (ScramSha1, true, only, "y,,"),
            (ScramSha256, true, "", "y,,"),
            (ScramSha256, false, both, "n,,"),
            (ScramSha256, false, only, "n,,"),
            (ScramSha1, false, other, "n,,"),
        ] {
            let context = SaslContext {
                end_point: can_bind.then(|| vec![1]),
                ..SaslContext::default()
            };
            let offered: Vec<_> = offered.split(' ').map(str::to_owned).collect();
            let header = gs2_header(mechanism, &context, &offered);
            assert_eq!(header, expected, "{mechanism:?} {can_bind} {offered:?}");
        }
    }

    #[test]
    fn what_is_said_is_what_was_prepared() {
        let mechanism = SaslMechanism::ScramSha1;
        let prepared = scram(mechanism, "I\u{ad}X", "pen\u{ad}cil", "n");
        assert_eq!(prepared.first().reveal(), "n,,n=IX,r=n");
        assert_eq!(prepared.password.reveal(), "pencil");
        let context = SaslContext::default();
        for (user, password) in [
            ("", "p"),
            ("\u{ad}", "p"),
            ("u\0", "p"),
            ("u", "p\n"),
            ("u", "\u{ad}"),
        ] {
            let nonce = "n".to_owned();
            let made = Scram::new(mechanism, user, &password.into(), &context, &[], nonce);
            assert!(matches!(made, Err(Error::Illegal { .. })), "{user:?}");
        }
    }

    #[test]
    fn nonces_differ() {
        let (one, two) = (random_nonce().unwrap(), random_nonce().unwrap());
        assert_eq!(decode(one.as_bytes()).unwrap().len(), NONCE_BYTES);
        assert_ne!(one, two);
    }
}
