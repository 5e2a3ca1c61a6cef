//! What a server says in SCRAM (RFC 5802 section 7):
//!
//! ```text
//! server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]
//! nonce                = "r=" c-nonce s-nonce          printable = %x21-2B / %x2D-7E
//! salt                 = "s=" base64
//! iteration-count      = "i=" posit-number             posit-number = %x31-39 *DIGIT
//! server-final-message = (server-error / verifier) ["," extensions]
//! server-error         = "e=" server-error-value
//! verifier             = "v=" base64
//! extensions           = attr-val *("," attr-val)      attr-val = ALPHA "=" value
//! value                = 1*value-char                  value-char = any of UTF-8 but NUL and ","
//! ```

use crate::encoding::decode;
use crate::failure::SaslFailure;

/// How long a message may be, in bytes. Real ones have a hundred or two; the nonce comes back to
/// the server, and lines have limits (RFC 4954 section 4 knows 12288 octets).
const LONGEST_MESSAGE: usize = 4096;

/// Fewer iterations make it cheap to guess the password from what was heard (RFC 5802 section
/// 5.1, RFC 7677 section 4).
const FEWEST_ITERATIONS: u32 = 4096;

/// More would keep us busy for seconds, because a server wants it (RFC 5802 section 9).
const MOST_ITERATIONS: u32 = 1_000_000;

/// `server-first-message`: what to compute the proof with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerFirst<'a> {
    /// Ours and the server's, as one.
    pub(crate) nonce: &'a str,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

/// `server-final-message`: how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerFinal<'a> {
    /// What only a server that knows the password can compute. It was not compared yet.
    Verifier(Vec<u8>),
    /// Why not.
    Error(&'a str),
}

/// A message as text, which both parsers start from.
pub(crate) fn text(message: &[u8]) -> Result<&str, SaslFailure> {
    if message.len() > LONGEST_MESSAGE {
        return Err(SaslFailure::new(
            "a SCRAM message is not longer than 4096 bytes",
        ));
    }
    match std::str::from_utf8(message) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(SaslFailure::new(
            "a SCRAM message is UTF-8 without NUL (RFC 5802 section 7)",
        )),
    }
}

/// The server's first message, in answer to our nonce.
pub(crate) fn server_first<'a>(
    message: &'a str,
    client_nonce: &str,
) -> Result<ServerFirst<'a>, SaslFailure> {
    let attributes = attributes(message)?;
    let [('r', nonce), ('s', salt), ('i', iterations), ..] = attributes.as_slice() else {
        return Err(SaslFailure::new(
            "SCRAM's first answer is r=, s= and i=, in this order (RFC 5802 section 7)",
        ));
    };
    if !extends(nonce, client_nonce) {
        return Err(SaslFailure::new(
            "the server's nonce starts with ours and goes on (RFC 5802 section 5.1)",
        ));
    }
    Ok(ServerFirst {
        nonce,
        salt: decode(salt.as_bytes()).ok_or(SaslFailure::new(
            "the salt s= is base64 (RFC 5802 section 5.1)",
        ))?,
        iterations: iteration_count(iterations).ok_or(SaslFailure::new(
            "the iteration count i= is a number from 4096 to 1000000 (RFC 7677 section 4)",
        ))?,
    })
}

/// The server's last message.
pub(crate) fn server_final(message: &str) -> Result<ServerFinal<'_>, SaslFailure> {
    let attributes = attributes(message)?;
    match attributes.first() {
        Some(('e', why)) => Ok(ServerFinal::Error(why)),
        Some(('v', verifier)) => match decode(verifier.as_bytes()) {
            Some(verifier) => Ok(ServerFinal::Verifier(verifier)),
            None => Err(SaslFailure::new(
                "the server's proof v= is base64 (RFC 5802 section 5.1)",
            )),
        },
        _ => Err(SaslFailure::new(
            "SCRAM's last answer starts with v= or e= (RFC 5802 section 7)",
        )),
    }
}

/// All of `attr-val *("," attr-val)`. Those that nobody knows are ignored by who looks at them;
/// `m=` announces something that must not be ignored (RFC 5802 section 5.1).
fn attributes(message: &str) -> Result<Vec<(char, &str)>, SaslFailure> {
    let attributes: Option<Vec<_>> = message.split(',').map(attribute).collect();
    let attributes = attributes.ok_or(SaslFailure::new(
        "a SCRAM message is a list of letter=value (RFC 5802 section 7)",
    ))?;
    match attributes.iter().any(|(name, _)| *name == 'm') {
        true => Err(SaslFailure::new(
            "the server demands an extension of SCRAM that nobody knows (RFC 5802 section 5.1)",
        )),
        false => Ok(attributes),
    }
}

/// `attr-val = ALPHA "=" value`
fn attribute(text: &str) -> Option<(char, &str)> {
    let (name, value) = text.split_once('=')?;
    let name: char = name.parse().ok()?;
    (name.is_ascii_alphabetic() && !value.is_empty()).then_some((name, value))
}

/// Whether `nonce` is ours with at least one more printable character.
fn extends(nonce: &str, client_nonce: &str) -> bool {
    let more = nonce.strip_prefix(client_nonce).unwrap_or_default();
    !more.is_empty() && more.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `posit-number = %x31-39 *DIGIT`, within our limits.
fn iteration_count(digits: &str) -> Option<u32> {
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse().ok()?;
    (FEWEST_ITERATIONS..=MOST_ITERATIONS)
        .contains(&count)
        .then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: &str = "r=abcXYZ,s=QSXCR+Q6sek8bf92,i=4096";

    fn parsed(message: &str) -> Result<ServerFirst<'_>, SaslFailure> {
        server_first(text(message.as_bytes())?, "abc")
    }

    #[test]
    fn a_first_message_is_read() {
        let first = parsed(FIRST).unwrap();
        assert_eq!((first.nonce, first.iterations), ("abcXYZ", 4096));
        assert_eq!(first.salt, decode(b"QSXCR+Q6sek8bf92").unwrap());
        for message in [
            "r=abc!,s=AA==,i=1000000",
            "r=abc~=+,s=AA==,i=4096,x=y",
            "r=abc1,s=AA==,i=4096,x=\u{e4},Y==,i=1,r=other",
        ] {
            assert!(parsed(message).is_ok(), "{message}");
        }
    }

    #[test]
    fn a_malformed_first_message_is_refused() {
        for message in [
            "",
            ",",
            "r",
            "r=",
            "r=abcXYZ,s",
            "r=abcXYZ,s=",
            "r=abcXYZ,s=AA==",
            "r=abcXYZ,s=AA==,",
            "r=abcXYZ,s=AA==,i",
            "r=abcXYZ,s=AA==,i=",
            // The nonce: not extended, shortened, replaced, in another case, not printable.
            "r=abc,s=AA==,i=4096",
            "r=ab,s=AA==,i=4096",
            "r=xyzXYZ,s=AA==,i=4096",
            "r=ABCXYZ,s=AA==,i=4096",
            "r=XYZabc,s=AA==,i=4096",
            "r=abc XYZ,s=AA==,i=4096",
            "r=abc\u{e4},s=AA==,i=4096",
            "r=abc\r\n,s=AA==,i=4096",
            "r=abc\x7f,s=AA==,i=4096",
            // The salt: not base64, not padded, in another alphabet.
            "r=abcXYZ,s=A,i=4096",
            "r=abcXYZ,s=AA,i=4096",
            "r=abcXYZ,s==,i=4096",
            "r=abcXYZ,s=__==,i=4096",
            "r=abcXYZ,s=AB==,i=4096",
            "r=abcXYZ,s=A A=,i=4096",
            // The iteration count.
            "r=abcXYZ,s=AA==,i=0",
            "r=abcXYZ,s=AA==,i=1",
            "r=abcXYZ,s=AA==,i=4095",
            "r=abcXYZ,s=AA==,i=1000001",
            "r=abcXYZ,s=AA==,i=4294967295",
            "r=abcXYZ,s=AA==,i=4294971392",
            "r=abcXYZ,s=AA==,i=99999999999999999999999",
            "r=abcXYZ,s=AA==,i=-4096",
            "r=abcXYZ,s=AA==,i=+4096",
            "r=abcXYZ,s=AA==,i=04096",
            "r=abcXYZ,s=AA==,i= 4096",
            "r=abcXYZ,s=AA==,i=4096 ",
            "r=abcXYZ,s=AA==,i=4096.0",
            "r=abcXYZ,s=AA==,i=0x1000",
            "r=abcXYZ,s=AA==,i=\u{664}096",
            // The order, and what else there is.
            "s=AA==,r=abcXYZ,i=4096",
            "r=abcXYZ,i=4096,s=AA==",
            "x=y,r=abcXYZ,s=AA==,i=4096",
            "m=x,r=abcXYZ,s=AA==,i=4096",
            "r=abcXYZ,s=AA==,i=4096,m=x",
            "r=abcXYZ,s=AA==,i=4096,",
            "r=abcXYZ,s=AA==,i=4096,x",
            "r=abcXYZ,s=AA==,i=4096,x=",
            "r=abcXYZ,s=AA==,i=4096,=y",
            "r=abcXYZ,s=AA==,i=4096,xx=y",
            "r=abcXYZ,s=AA==,i=4096,1=y",
            "r=abcXYZ,s=AA==,i=4096,x=\0",
            "R=abcXYZ,S=AA==,I=4096",
            " r=abcXYZ,s=AA==,i=4096",
            "e=unknown-user",
            "v=AA==",
        ] {
            assert!(parsed(message).is_err(), "{message:?}");
        }
        assert!(text(b"r=abc\xff,s=AA==,i=4096").is_err());
    }

    #[test]
    fn no_prefix_of_a_first_message_is_one() {
        for end in 0..FIRST.len() {
            assert!(parsed(&FIRST[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn messages_have_a_limit() {
        assert!(text(&[b'a'; LONGEST_MESSAGE]).is_ok());
        assert!(text(&[b'a'; LONGEST_MESSAGE + 1]).is_err());
    }

    #[test]
    fn a_last_message_is_read() {
        let verifier = ServerFinal::Verifier(vec![0]);
        for (message, expected) in [
            ("v=AA==", &verifier),
            ("v=AA==,x=y", &verifier),
            ("e=invalid-proof", &ServerFinal::Error("invalid-proof")),
            ("e=a=b,x=y", &ServerFinal::Error("a=b")),
        ] {
            assert_eq!(server_final(message).as_ref(), Ok(expected), "{message}");
        }
    }

    #[test]
    fn a_malformed_last_message_is_refused() {
        for message in [
            "",
            "v",
            "v=",
            "v=AA",
            "v=AB==",
            "v=__==",
            "v=AA==,",
            "v=AA==,x",
            "v=AA==,m=x",
            "V=AA==",
            "e",
            "e=",
            "e=x,",
            "e=x,m=y",
            "x=y",
            "x=y,v=AA==",
            "m=x,v=AA==",
            "v =AA==",
            "AA==",
        ] {
            assert!(server_final(message).is_err(), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, more in "[rsivem=,A0-9]{0,40}") {
            for bytes in [bytes.as_slice(), more.as_bytes()] {
                if let Ok(text) = text(bytes) {
                    let _ = server_first(text, "");
                    let _ = server_final(text);
                }
            }
        }
    }
}
