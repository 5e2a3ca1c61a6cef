//! What a server asks for in `WWW-Authenticate` and `Proxy-Authenticate` (RFC 9110 section 11.6).
//!
//! ```text
//! WWW-Authenticate = #challenge
//! challenge        = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
//! auth-param       = token BWS "=" BWS ( token / quoted-string )
//! token68          = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
//! ```
//!
//! Commas separate both challenges and parameters, so the two are told apart by what follows a
//! token. What fits nowhere is passed over: a challenge that is understood only in part is still
//! better than none.

use crate::fields::{is_token_byte, quoted_string};

/// One way in which the server would let us in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme, in lower case.
    pub scheme: String,
    /// What follows the scheme, where that is one piece of base64-like data.
    pub token68: Option<String>,
    /// The parameters in their order, with names in lower case.
    pub parameters: Vec<(String, String)>,
}

/// Challenges in one response. Servers offer two or three.
const CHALLENGES: usize = 32;

/// Parameters in one challenge. RFC 7616 has nine.
const PARAMETERS: usize = 32;

impl Challenge {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The challenges in the values of all lines of such a field.
pub fn parse_challenges<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for value in values {
        add_challenges(&mut challenges, value);
    }
    challenges
}

fn add_challenges(challenges: &mut Vec<Challenge>, value: &[u8]) {
    let mut rest = value;
    // A parameter belongs to the last challenge on its own line, if there is one.
    let before = challenges.len();
    loop {
        rest = after_separators(rest);
        if rest.is_empty() || challenges.len() > CHALLENGES {
            challenges.truncate(CHALLENGES);
            return;
        }
        let (name, after) = token(rest);
        if name.is_empty() {
            rest = after_junk(rest);
        } else if let Some((value, after)) = parameter_value(after) {
            let challenge = challenges.get_mut(before..).and_then(|own| own.last_mut());
            if let Some(challenge) = challenge.filter(|c| c.parameters.len() < PARAMETERS) {
                challenge.parameters.push((name, value));
            }
            rest = after;
        } else if ends_a_word(after) {
            let data = token68(trimmed_start(after));
            rest = data.as_ref().map_or(after, |(_, after)| after);
            challenges.push(Challenge {
                scheme: name,
                token68: data.map(|(token68, _)| token68),
                parameters: Vec::new(),
            });
        } else {
            rest = after_junk(after);
        }
    }
}

/// `OWS "," OWS`, any number of them.
fn after_separators(mut input: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b',', rest @ ..] = input {
        input = rest;
    }
    input
}

/// What follows the next comma outside quoted strings.
fn after_junk(mut input: &[u8]) -> &[u8] {
    loop {
        match input {
            [] | [b',', ..] => return input,
            [_, rest @ ..] => input = quoted_string(input).map_or(rest, |(_, after)| after),
        }
    }
}

/// A token in lower case, which may be empty, and what follows it.
fn token(input: &[u8]) -> (String, &[u8]) {
    let length = input.iter().take_while(|byte| is_token_byte(**byte));
    let (token, rest) = input.split_at(length.count());
    (String::from_utf8_lossy(token).to_ascii_lowercase(), rest)
}

/// `BWS "=" BWS ( token / quoted-string )`. A value that is no token (`Bearer realm=a/b`) is taken
/// up to the next comma or space.
fn parameter_value(input: &[u8]) -> Option<(String, &[u8])> {
    let input = trimmed_start(input).strip_prefix(b"=")?;
    let input = trimmed_start(input);
    let (value, rest) = match quoted_string(input) {
        Some((value, rest)) => (value, rest),
        None => {
            let length = input.iter().take_while(|byte| !b", \t\"".contains(byte));
            let (value, rest) = input.split_at(length.count());
            (value.to_vec(), rest)
        }
    };
    Some((String::from_utf8_lossy(&value).into_owned(), rest))
}

/// Whether a scheme may stand before this.
fn ends_a_word(input: &[u8]) -> bool {
    matches!(input, [] | [b' ' | b'\t' | b',', ..])
}

/// A `token68` that lasts to the next comma, and what follows it.
fn token68(input: &[u8]) -> Option<(String, &[u8])> {
    let is_data = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let data = input.iter().take_while(|byte| is_data(byte)).count();
    let padding = input.iter().skip(data).take_while(|byte| **byte == b'=');
    let (token68, rest) = input.split_at(data + padding.count());
    let at_end = matches!(trimmed_start(rest), [] | [b',', ..]);
    (data > 0 && at_end).then(|| (String::from_utf8_lossy(token68).into_owned(), rest))
}

fn trimmed_start(mut input: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = input {
        input = rest;
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The challenges of some lines as text: `scheme`, `scheme:token68`, or `scheme{name=value;…}`.
    fn parsed(lines: &[&str]) -> String {
        let challenges = parse_challenges(lines.iter().map(|line| line.as_bytes()));
        let shown: Vec<String> = challenges.iter().map(shown).collect();
        shown.join(" ")
    }

    fn shown(challenge: &Challenge) -> String {
        let mut text = challenge.scheme.clone();
        if let Some(token68) = &challenge.token68 {
            text += &format!(":{token68}");
        }
        if !challenge.parameters.is_empty() {
            let parameters = challenge.parameters.iter();
            let parameters: Vec<_> = parameters.map(|(n, v)| format!("{n}={v}")).collect();
            text += &format!("{{{}}}", parameters.join(";"));
        }
        text
    }

    #[test]
    fn challenges_and_parameters_share_their_commas() {
        for (lines, expected) in [
            (&["Basic realm=\"simple\""][..], "basic{realm=simple}"),
            // The example of RFC 9110 section 11.6.1.
            (
                &["Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\""],
                "basic{realm=simple} newauth{realm=apps;type=1;title=Login to \"apps\"}",
            ),
            (&["Negotiate, Basic realm=x"], "negotiate basic{realm=x}"),
            (&["Negotiate", "NTLM"], "negotiate ntlm"),
            (&["Negotiate YWJj== , NTLM TlRM/+=,"], "negotiate:YWJj== ntlm:TlRM/+="),
            (&["Foo a=", "Foo a= , Bar"], "foo:a= foo:a= bar"),
            (
                &["Digest realm = \"a, b\" ,QOP=\"auth,auth-int\",\tnonce=abc==,stale=FALSE"],
                "digest{realm=a, b;qop=auth,auth-int;nonce=abc==;stale=FALSE}",
            ),
            (&["Basic"], "basic"),
            (&["  ,, Basic ,,realm=x,, "], "basic{realm=x}"),
            (&["Basic realm=\"\""], "basic{realm=}"),
            (&["Basic realm=\"Gr\u{fc}n\""], "basic{realm=Gr\u{fc}n}"),
        ] {
            assert_eq!(parsed(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn junk_is_passed_over() {
        for (lines, expected) in [
            (&[""][..], ""),
            (&[",", "\"", "=", "=,="], ""),
            (&["realm=x"], ""),
            (&["Basic realm=\"x\"", "nonce=lost"], "basic{realm=x}"),
            (&["Basic realm=\"open"], "basic{realm=open}"),
            (&["Basic realm=\"open\\"], "basic{realm=open\\}"),
            (&["{}, \"a, b\", Basic realm=x"], "basic{realm=x}"),
            (&["Ba@sic, Digest nonce=a"], "digest{nonce=a}"),
            (
                &["Basic realm=\"x\"y, charset=z"],
                "basic{realm=x} y{charset=z}",
            ),
            (&["Bearer realm=a/b,error=c"], "bearer{realm=a/b;error=c}"),
        ] {
            assert_eq!(parsed(lines), expected, "{lines:?}");
        }
        assert_eq!(parse_challenges([&b"Basic realm=\"\xff\""[..]]).len(), 1);
    }

    #[test]
    fn parameters_have_no_case() {
        let challenges = parse_challenges([&b"Digest NONCE=a"[..]]);
        assert_eq!(challenges[0].parameter("nonce"), Some("a"));
        assert_eq!(challenges[0].parameter("realm"), None);
    }

    #[test]
    fn floods_are_cut() {
        let many = "a,".repeat(100_000);
        assert_eq!(parse_challenges([many.as_bytes()]).len(), CHALLENGES);
        let lines = vec![&b"a"[..]; 1_000];
        assert_eq!(parse_challenges(lines).len(), CHALLENGES);
        let many = "a ".to_owned() + &"b=c,".repeat(100_000);
        let challenges = parse_challenges([many.as_bytes()]);
        assert_eq!(challenges[0].parameters.len(), PARAMETERS);
        // What a quadratic parser would sit on for hours.
        for piece in ["\"", "a=\"", "a ", "=", "\\", "a b c,", "@", "(\""] {
            parse_challenges([piece.repeat(1_000_000 / piece.len()).as_bytes()]);
        }
    }

    proptest! {
        #[test]
        fn any_text_ends(line in "[ab,=\" \\\\@]{0,60}", bytes: Vec<u8>) {
            parse_challenges([line.as_bytes(), &bytes]);
        }
    }
}
