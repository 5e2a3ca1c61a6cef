//! The Digest scheme (RFC 7616, and RFC 2617 for old servers): proof of a password by a hash.
//!
//! ```text
//! response = H( H(A1) ":" nonce ":" nc ":" cnonce ":" qop ":" H(A2) )      with qop
//! response = H( H(A1) ":" nonce ":" H(A2) )                                without
//! A1       = user ":" realm ":" password
//! A1       = H( user ":" realm ":" password ) ":" nonce ":" cnonce         with -sess
//! A2       = method ":" request-target
//! ```

use std::fmt::Write;

use md5::Md5;
use proto_transport::certificate::hexadecimal;
use proto_transport::{Error, Result, Secret};
use sha2::{Sha256, Sha512_256};

use crate::random::random;

/// The hash of a challenge, from weak to strong. SHA-256 comes last because it is the one that
/// every server of RFC 7616 has, and because that RFC's example of SHA-512/256 is wrong (erratum
/// 4897), so that what servers compute under that name cannot be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    /// Broken for other uses, and what most servers have.
    Md5,
    /// SHA-512/256 of FIPS 180-4.
    Sha512_256,
    /// SHA-256 of FIPS 180-4.
    Sha256,
}

/// A challenge that can be answered, and how often it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// The algorithm as the server wrote it, to be sent back so. Without one, MD5 is meant.
    algorithm_name: Option<String>,
    /// Whether A1 holds nonces ("-sess").
    session: bool,
    /// Whether `qop=auth` was offered. Without, this is RFC 2069.
    with_qop: bool,
    with_user_hash: bool,
    stale: bool,
    /// How many answers were made with this nonce.
    count: u32,
    /// The cnonce of the first of them, which stays in A1 (RFC 7616 section 3.4.2).
    first_cnonce: Option<String>,
}

impl Digest {
    /// A challenge from its parameters, whose names have no case. `None` if it lacks what it must
    /// have, or asks for what is not here: another algorithm, or only `auth-int`.
    pub fn from_parameters(parameters: &[(String, String)]) -> Option<Digest> {
        let find = |wanted: &str| {
            let found = parameters
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.as_str())
        };
        let algorithm_name = find("algorithm");
        let (algorithm, session) = algorithm(algorithm_name.unwrap_or("MD5"))?;
        let qop = find("qop");
        let with_qop = qop.is_some_and(offers_auth);
        // RFC 2617 section 3.2.2: no cnonce without qop. With -sess it is needed.
        if (qop.is_some() || session) && !with_qop {
            return None;
        }
        Some(Digest {
            realm: find("realm")?.to_owned(),
            nonce: find("nonce")?.to_owned(),
            opaque: find("opaque").map(str::to_owned),
            algorithm,
            algorithm_name: algorithm_name.map(str::to_owned),
            session,
            with_qop,
            with_user_hash: is_true(find("userhash")),
            stale: is_true(find("stale")),
            count: 0,
            first_cnonce: None,
        })
    }

    /// The strongest of several challenges, each given by its parameters; of equals, the first.
    pub fn strongest<'a>(
        challenges: impl IntoIterator<Item = &'a [(String, String)]>,
    ) -> Option<Digest> {
        let known = challenges.into_iter().filter_map(Digest::from_parameters);
        known.reduce(|best, next| match next.strength() > best.strength() {
            true => next,
            false => best,
        })
    }

    /// Which of two challenges to answer: the greater one. MD5 only if there is nothing else.
    fn strength(&self) -> (Algorithm, bool) {
        (self.algorithm, self.with_qop)
    }

    /// Whether only the nonce was too old: the same credentials may be sent again. Without this,
    /// they were wrong.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// What follows `Digest ` for one request. Each answer to the same challenge counts. `cnonce`
    /// is to be unpredictable: see [`random_cnonce`].
    pub fn answer(
        &mut self,
        user: &str,
        password: &Secret,
        method: &str,
        target: &str,
        cnonce: &str,
    ) -> Result<Secret> {
        if user.chars().any(char::is_control) {
            return Err(Error::illegal(
                "a user name cannot hold control characters (RFC 9110 section 5.6.4)",
            ));
        }
        self.count = self.count.checked_add(1).ok_or(Error::illegal(
            "a nonce cannot be used any more often (RFC 7616 section 3.4)",
        ))?;
        let count = format!("{:08x}", self.count);
        let response = self.response(user, password, method, target, cnonce, &count);
        Ok(Secret::new(
            self.fields(user, target, cnonce, &count, &response),
        ))
    }

    /// RFC 7616 section 3.4.1.
    fn response(
        &mut self,
        user: &str,
        password: &Secret,
        method: &str,
        target: &str,
        cnonce: &str,
        count: &str,
    ) -> String {
        let first_cnonce = self.first_cnonce.get_or_insert_with(|| cnonce.to_owned());
        let (algorithm, nonce) = (self.algorithm, &self.nonce);
        let mut a1 = algorithm.hash(&[user, &self.realm, password.reveal()]);
        if self.session {
            a1 = algorithm.hash(&[a1.reveal(), nonce, first_cnonce]);
        }
        let a2 = algorithm.hash(&[method, target]);
        let response = match self.with_qop {
            true => algorithm.hash(&[a1.reveal(), nonce, count, cnonce, "auth", a2.reveal()]),
            false => algorithm.hash(&[a1.reveal(), nonce, a2.reveal()]),
        };
        response.reveal().to_owned()
    }

    /// RFC 7616 section 3.4: which parameters are quoted and which are not matters to servers.
    fn fields(
        &self,
        user: &str,
        target: &str,
        cnonce: &str,
        count: &str,
        response: &str,
    ) -> String {
        let mut fields = vec![
            self.user_field(user),
            format!("realm={}", quoted(&self.realm)),
            format!("nonce={}", quoted(&self.nonce)),
            format!("uri={}", quoted(target)),
            format!("response={}", quoted(response)),
        ];
        if let Some(name) = &self.algorithm_name {
            fields.push(format!("algorithm={name}"));
        }
        if self.with_qop {
            fields.push("qop=auth".to_owned());
            fields.push(format!("nc={count}"));
            fields.push(format!("cnonce={}", quoted(cnonce)));
        }
        if let Some(opaque) = &self.opaque {
            fields.push(format!("opaque={}", quoted(opaque)));
        }
        if self.with_user_hash {
            fields.push("userhash=true".to_owned());
        }
        fields.join(", ")
    }

    /// The user's name, its hash (RFC 7616 section 3.4.4), or in the extended form for what a
    /// quoted string does not carry safely (section 3.4).
    fn user_field(&self, user: &str) -> String {
        if self.with_user_hash {
            let hash = self.algorithm.hash(&[user, &self.realm]);
            return format!("username={}", quoted(hash.reveal()));
        }
        match user.is_ascii() {
            true => format!("username={}", quoted(user)),
            false => format!("username*=UTF-8''{}", percent_encoded(user)),
        }
    }
}

/// A fresh client nonce: 128 bits that nobody can guess.
pub fn random_cnonce() -> Result<String> {
    Ok(hexadecimal(&random::<16>()?))
}

/// `algorithm = "MD5" / "MD5-sess" / "SHA-256" / …` (RFC 7616 section 3.3): which hash, and
/// whether A1 holds nonces.
fn algorithm(name: &str) -> Option<(Algorithm, bool)> {
    let name = name.to_ascii_uppercase();
    let (hash, session) = match name.strip_suffix("-SESS") {
        Some(hash) => (hash, true),
        None => (name.as_str(), false),
    };
    let algorithm = match hash {
        "MD5" => Algorithm::Md5,
        "SHA-256" => Algorithm::Sha256,
        "SHA-512-256" => Algorithm::Sha512_256,
        _ => return None,
    };
    Some((algorithm, session))
}

/// `qop-options = "qop" "=" <"> 1#qop-value <">`
fn offers_auth(list: &str) -> bool {
    list.split(',')
        .any(|value| value.trim().eq_ignore_ascii_case("auth"))
}

fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

impl Algorithm {
    /// The hash, in hexadecimal, of parts with a colon between each.
    fn hash(self, parts: &[&str]) -> Secret {
        Secret::new(match self {
            Algorithm::Md5 => hash::<Md5>(parts),
            Algorithm::Sha512_256 => hash::<Sha512_256>(parts),
            Algorithm::Sha256 => hash::<Sha256>(parts),
        })
    }
}

fn hash<H: sha2::Digest>(parts: &[&str]) -> String {
    let mut hash = H::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hexadecimal(&hash.finalize())
}

/// `quoted-string` (RFC 9110 section 5.6.4)
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `value-chars` (RFC 8187 section 3.2.1): all but `attr-char` is written as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parameters(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    fn digest(text: &[(&str, &str)]) -> Option<Digest> {
        Digest::from_parameters(&parameters(text))
    }

    /// The value of a parameter of an answer.
    fn field<'a>(answer: &'a Secret, name: &str) -> &'a str {
        let fields = answer.reveal().split(", ");
        let mut values = fields.filter_map(|field| field.split_once('='));
        let (_, value) = values.find(|(known, _)| *known == name).unwrap();
        value.trim_matches('"')
    }

    const RFC_7616: [(&str, &str); 4] = [
        ("realm", "http-auth@example.org"),
        ("nonce", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"),
        ("qop", "auth, auth-int"),
        ("opaque", "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"),
    ];

    fn rfc_7616(algorithm: &str) -> Secret {
        let asked = [&RFC_7616[..], &[("algorithm", algorithm)]].concat();
        let password = Secret::from("Circle of Life");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let mut digest = digest(&asked).unwrap();
        digest
            .answer("Mufasa", &password, "GET", "/dir/index.html", cnonce)
            .unwrap()
    }

    #[test]
    fn the_examples_of_rfc_7616() {
        let answer = rfc_7616("MD5");
        assert_eq!(
            field(&answer, "response"),
            "8ca523f5e9506fed4657c9700eebdbec"
        );
        assert_eq!(
            rfc_7616("SHA-256").reveal(),
            "username=\"Mufasa\", realm=\"http-auth@example.org\", \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", \
             response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", \
             algorithm=SHA-256, qop=auth, nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
    }

    /// Section 3.9.2, as erratum 4897 corrects it.
    #[test]
    fn the_example_with_a_hashed_user_name() {
        let mut digest = digest(&[
            ("realm", "api@example.org"),
            ("qop", "auth"),
            ("algorithm", "SHA-512-256"),
            ("nonce", "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK"),
            ("opaque", "HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"),
            ("charset", "UTF-8"),
            ("userhash", "true"),
        ])
        .unwrap();
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
        let answer = digest.answer(
            "J\u{e4}s\u{f8}n Doe",
            &Secret::from("Secret, or not?"),
            "GET",
            "/doe.json",
            cnonce,
        );
        let answer = answer.unwrap();
        assert_eq!(
            field(&answer, "username"),
            "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        );
        assert_eq!(
            field(&answer, "response"),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
        assert_eq!(field(&answer, "userhash"), "true");
    }

    #[test]
    fn the_example_of_rfc_2617() {
        let mut digest = digest(&[
            ("Realm", "testrealm@host.com"),
            ("QOP", "auth,auth-int"),
            ("nonce", "dcd98b7102dd2f0e8b11d0f600bfb0c093"),
            ("opaque", "5ccc069c403ebaf9f0171e9517f40e41"),
        ])
        .unwrap();
        let password = Secret::from("Circle Of Life");
        let answer = digest
            .answer("Mufasa", &password, "GET", "/dir/index.html", "0a4f113b")
            .unwrap();
        assert_eq!(
            field(&answer, "response"),
            "6629fae49393a05397450978507c4ef1"
        );
        assert!(!answer.reveal().contains("algorithm"));
    }

    #[test]
    fn without_qop_there_is_no_cnonce() {
        let mut digest = digest(&[("realm", "r"), ("nonce", "n")]).unwrap();
        let answer = digest.answer("u", &"p".into(), "GET", "/", "c").unwrap();
        // H( H("u:r:p") ":n:" H("GET:/") )
        assert_eq!(
            answer.reveal(),
            "username=\"u\", realm=\"r\", nonce=\"n\", uri=\"/\", \
             response=\"f23121ca97143c6b358da620220c83b4\""
        );
    }

    #[test]
    fn a_session_keeps_its_first_cnonce() {
        let asked = [&RFC_7616[..], &[("algorithm", "SHA-256-sess")]].concat();
        let mut digest = digest(&asked).unwrap();
        let mut answer = |cnonce| {
            let password = Secret::from("Circle of Life");
            digest
                .answer("Mufasa", &password, "GET", "/", cnonce)
                .unwrap()
        };
        let (first, second) = (answer("one"), answer("two"));
        assert_eq!(field(&first, "nc"), "00000001");
        assert_eq!(field(&second, "nc"), "00000002");
        assert_eq!(
            field(&first, "response"),
            "b5f065910f0b8656c55bfddcd5ee5ce8f4b0357b103a67679e15b3278360df04"
        );
        assert_eq!(
            field(&second, "response"),
            "accabf7926d8c2f475021fec24bf3f6d5f54de4ebf0c29a8312b5354c7f0c53b"
        );
        assert_eq!(field(&second, "algorithm"), "SHA-256-sess");
    }

    #[test]
    fn what_is_quoted_is_escaped() {
        let asked = [("realm", "a\"b\\c"), ("nonce", "\""), ("opaque", "\\")];
        let mut digest = digest(&asked).unwrap();
        let answer = digest
            .answer("d\"e", &"p".into(), "GET", "/\"", "c")
            .unwrap();
        let expected =
            "username=\"d\\\"e\", realm=\"a\\\"b\\\\c\", nonce=\"\\\"\", uri=\"/\\\"\", ";
        assert!(answer.reveal().starts_with(expected), "{}", answer.reveal());
        assert!(answer.reveal().ends_with("opaque=\"\\\\\""));
        assert!(digest.answer("d\re", &"p".into(), "GET", "/", "c").is_err());
    }

    #[test]
    fn names_beyond_ascii_are_extended() {
        let mut digest = digest(&[("realm", "r"), ("nonce", "n")]).unwrap();
        let answer = digest.answer("J\u{e4}s'n Doe", &"p".into(), "GET", "/", "c");
        assert_eq!(
            field(&answer.unwrap(), "username*"),
            "UTF-8''J%C3%A4s%27n%20Doe"
        );
    }

    #[test]
    fn what_cannot_be_answered_is_no_challenge() {
        let base = [("realm", "r"), ("nonce", "n")];
        for more in [
            ("algorithm", "SHA-1"),
            ("algorithm", "MD5-sess"),
            ("algorithm", ""),
            ("algorithm", "-sess"),
            ("qop", "auth-int"),
            ("qop", ""),
        ] {
            assert_eq!(digest(&[&base[..], &[more]].concat()), None, "{more:?}");
        }
        assert_eq!(digest(&base[..1]), None);
        assert_eq!(digest(&base[1..]), None);
        assert_eq!(digest(&base).unwrap().realm, "r");
    }

    #[test]
    fn the_strongest_is_chosen() {
        let offer = |algorithm, nonce| {
            parameters(&[
                ("realm", "r"),
                ("qop", "auth"),
                ("nonce", nonce),
                ("algorithm", algorithm),
            ])
        };
        let old = parameters(&[("realm", "r"), ("nonce", "old")]);
        let md5 = offer("MD5", "md5");
        let sha512 = offer("SHA-512-256", "sha512");
        let sha256 = offer("sha-256", "sha256");
        let again = offer("SHA-256-sess", "again");
        let unknown = offer("SHA-3", "unknown");
        for (offers, nonce) in [
            (vec![&old, &md5, &unknown], Some("md5")),
            (vec![&md5, &sha256, &again, &sha512], Some("sha256")),
            (vec![&sha512, &old], Some("sha512")),
            (vec![&old], Some("old")),
            (vec![&unknown], None),
        ] {
            let best = Digest::strongest(offers.into_iter().map(Vec::as_slice));
            assert_eq!(best.as_ref().map(|best| best.nonce.as_str()), nonce);
        }
    }

    #[test]
    fn staleness_is_told() {
        let base = [("realm", "r"), ("nonce", "n")];
        for (stale, expected) in [
            ("TRUE", true),
            ("true", true),
            ("false", false),
            ("1", false),
        ] {
            let asked = [&base[..], &[("stale", stale)]].concat();
            assert_eq!(digest(&asked).unwrap().is_stale(), expected);
        }
        assert!(!digest(&base).unwrap().is_stale());
    }

    #[test]
    fn a_nonce_wears_out() {
        let mut digest = digest(&[("realm", "r"), ("nonce", "n"), ("qop", "auth")]).unwrap();
        digest.count = u32::MAX - 1;
        let mut answer = || digest.answer("u", &"p".into(), "GET", "/", "c");
        assert_eq!(field(&answer().unwrap(), "nc"), "ffffffff");
        assert!(answer().is_err());
    }

    #[test]
    fn cnonces_differ() {
        let (one, two) = (random_cnonce().unwrap(), random_cnonce().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
    }

    proptest! {
        #[test]
        fn any_challenge_does_no_harm(realm: String, nonce: String, name in "[ -~]{0,12}", value: String) {
            let asked = [("realm", realm.as_str()), ("nonce", &nonce), (&name, &value)];
            if let Some(mut digest) = digest(&asked) {
                digest.answer("u", &"p".into(), "GET", "/", "c").unwrap();
            }
        }
    }
}
