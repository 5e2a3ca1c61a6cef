//! What the client says, read strictly: names, paths, parameters and chunk sizes.

use super::reply::Reply;

/// The longest command line with its CRLF (RFC 5321 section 4.5.3.1.4).
const COMMAND: usize = 512;

/// MAIL and RCPT may be longer, by what the extensions' parameters need: AUTH adds 500 to MAIL
/// (RFC 4954 section 3), and all the others together add less.
const ENVELOPE: usize = COMMAND + 1000;

/// AUTH and what answers its challenges (RFC 4954 section 4).
pub(super) const AUTHENTICATION: usize = 12_288;

/// How long a line that begins like this may be.
pub(super) fn longest(line: &[u8]) -> usize {
    let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
    match verb.as_slice() {
        b"MAIL" | b"RCPT" => ENVELOPE,
        b"AUTH" => AUTHENTICATION,
        _ => COMMAND,
    }
}

/// The verb in upper case, and all that follows the space behind it.
pub(super) fn split(line: &str) -> (String, &str) {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    (verb.to_ascii_uppercase(), rest)
}

/// A path and its parameters, as MAIL and RCPT take them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope<'l> {
    /// Without the angle brackets.
    pub path: &'l str,
    pub parameters: Vec<&'l str>,
}

fn wrong(enhanced: &'static str, text: impl Into<String>) -> Reply {
    Reply::new(501, enhanced, text)
}

/// RFC 5321 section 4.1.1.2: `"FROM:" Reverse-path [SP Mail-parameters]`, and section 4.1.1.3 the
/// same with `"TO:"`.
pub(super) fn parse_envelope<'l>(keyword: &str, rest: &'l str) -> Result<Envelope<'l>, Reply> {
    let Some((start, after)) = rest.split_at_checked(keyword.len()) else {
        return Err(wrong("5.5.2", format!("{keyword}<address> is missing")));
    };
    if !start.eq_ignore_ascii_case(keyword) {
        return Err(wrong("5.5.2", format!("{keyword}<address> is missing")));
    }
    if after.starts_with(' ') {
        return Err(wrong("5.5.2", format!("no space may follow {keyword}")));
    }
    let Some(after) = after.strip_prefix('<') else {
        return Err(wrong("5.5.2", "the address needs its angle brackets"));
    };
    let (path, after) = match after.strip_prefix('>') {
        Some(after) => ("", after),
        None => parse_mailbox(after)?,
    };
    let parameters = match after.strip_prefix(' ') {
        Some(parameters) => parameters.split(' ').collect(),
        None if after.is_empty() => Vec::new(),
        None => return Err(wrong("5.5.2", "something stands right behind the address")),
    };
    if parameters.contains(&"") {
        return Err(wrong("5.5.4", "a space stands where no parameter follows"));
    }
    Ok(Envelope { path, parameters })
}

/// The lengths that RFC 5321 section 4.5.3.1 allows.
const LOCAL_PART: usize = 64;
const DOMAIN: usize = 255;
const PATH: usize = 256;

/// RFC 5321 section 4.1.2: `Mailbox = Local-part "@" ( Domain / address-literal )`. Only
/// `<Postmaster>` has no domain. Gives the mailbox and what comes behind its `>`.
fn parse_mailbox(text: &str) -> Result<(&str, &str), Reply> {
    if text.starts_with('@') {
        return Err(wrong(
            "5.1.3",
            "source routes are not taken (RFC 5321 appendix C)",
        ));
    }
    let length = match text.strip_prefix('"') {
        Some(quoted) => 1 + quoted_length(quoted)?,
        None => text.find(['@', '>']).unwrap_or(text.len()),
    };
    let (local, after) = text.split_at_checked(length).unwrap_or((text, ""));
    if !local.starts_with('"') && !local.split('.').all(is_atom) {
        return Err(wrong(
            "5.1.3",
            "the part before the @ is no dot-string and not quoted",
        ));
    }
    if local.len() > LOCAL_PART {
        return Err(wrong(
            "5.1.3",
            format!("the part before the @ is longer than {LOCAL_PART} octets"),
        ));
    }
    if let Some(after) = after.strip_prefix('>') {
        return match local.eq_ignore_ascii_case("postmaster") {
            true => Ok((local, after)),
            false => Err(wrong("5.1.3", "the address has no domain")),
        };
    }
    let Some((domain, after)) = after
        .strip_prefix('@')
        .and_then(|rest| rest.split_once('>'))
    else {
        return Err(wrong("5.5.2", "the address does not end with @domain>"));
    };
    if !is_domain(domain, true) {
        return Err(wrong("5.1.3", "the part behind the @ is no domain"));
    }
    let path = text
        .get(..local.len() + 1 + domain.len())
        .unwrap_or_default();
    if path.len() + 2 > PATH {
        return Err(wrong(
            "5.1.3",
            format!("the address is longer than {PATH} octets"),
        ));
    }
    Ok((path, after))
}

/// RFC 5321 section 4.1.2: the length of `*QcontentSMTP DQUOTE`.
fn quoted_length(text: &str) -> Result<usize, Reply> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if character.is_ascii_control() => break,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err(wrong("5.1.3", "the quoted part before the @ does not end"))
}

/// RFC 5321 section 4.1.2 and RFC 6531 section 3.3: `1*atext`, with all of UTF-8 beyond ASCII.
fn is_atom(text: &str) -> bool {
    let is_atext = |character: char| {
        character.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(character)
            || (!character.is_ascii() && !character.is_control())
    };
    !text.is_empty() && text.chars().all(is_atext)
}

/// RFC 5321 section 4.1.2: `Domain = sub-domain *("." sub-domain)`, or an address literal. What is
/// beyond ASCII (RFC 6531 section 3.3) is allowed in addresses only.
pub(super) fn is_domain(text: &str, allows_utf8: bool) -> bool {
    if let Some(literal) = text.strip_prefix('[') {
        return literal.strip_suffix(']').is_some_and(is_literal);
    }
    let is_label_character = |character: char| match character {
        '-' => true,
        _ if character.is_ascii() => character.is_ascii_alphanumeric(),
        _ => allows_utf8 && !character.is_control(),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.len() <= 63
            && label.chars().all(is_label_character)
    };
    text.len() <= DOMAIN && text.split('.').all(is_label)
}

/// RFC 5321 section 4.1.3.
fn is_literal(text: &str) -> bool {
    match text.split_once(':') {
        None => text.parse::<std::net::Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => {
            address.parse::<std::net::Ipv6Addr>().is_ok()
        }
        Some((tag, address)) => is_atom(tag) && address.bytes().all(|byte| byte.is_ascii_graphic()),
    }
}

/// A parameter of MAIL or RCPT.
pub(super) struct Parameter {
    pub name: &'static str,
    /// The extension that brings it.
    pub extension: &'static str,
    is_right: fn(Option<&str>) -> bool,
}

/// The parameters of MAIL.
pub(super) const OF_MAIL: &[Parameter] = &[
    Parameter {
        name: "SIZE",
        extension: "SIZE",
        is_right: is_size,
    },
    Parameter {
        name: "BODY",
        extension: "8BITMIME",
        is_right: is_body,
    },
    Parameter {
        name: "SMTPUTF8",
        extension: "SMTPUTF8",
        is_right: is_nothing,
    },
    Parameter {
        name: "RET",
        extension: "DSN",
        is_right: is_ret,
    },
    Parameter {
        name: "ENVID",
        extension: "DSN",
        is_right: is_envid,
    },
    Parameter {
        name: "AUTH",
        extension: "AUTH",
        is_right: is_auth,
    },
];

/// The parameters of RCPT.
pub(super) const OF_RCPT: &[Parameter] = &[
    Parameter {
        name: "NOTIFY",
        extension: "DSN",
        is_right: is_notify,
    },
    Parameter {
        name: "ORCPT",
        extension: "DSN",
        is_right: is_orcpt,
    },
];

/// Splits and checks parameters: each is known, offered, given once, and has a right value.
pub(super) fn check_parameters<'l>(
    known: &[Parameter],
    given: &[&'l str],
    is_offered: impl Fn(&str) -> bool,
) -> Result<Vec<(&'static str, Option<&'l str>)>, Reply> {
    let mut checked: Vec<(&'static str, Option<&str>)> = Vec::new();
    for text in given {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (*text, None),
        };
        let is_it = |parameter: &&Parameter| parameter.name.eq_ignore_ascii_case(name);
        let parameter = known.iter().find(is_it);
        let Some(parameter) = parameter.filter(|parameter| is_offered(parameter.extension)) else {
            return Err(Reply::new(555, "5.5.4", format!("{name} was not offered")));
        };
        if !(parameter.is_right)(value) {
            return Err(wrong(
                "5.5.4",
                format!("{} has a wrong value", parameter.name),
            ));
        }
        if checked.iter().any(|(name, _)| *name == parameter.name) {
            return Err(wrong("5.5.4", format!("{} is given twice", parameter.name)));
        }
        checked.push((parameter.name, value));
    }
    Ok(checked)
}

fn is_nothing(value: Option<&str>) -> bool {
    value.is_none()
}

fn is_one_of(value: Option<&str>, allowed: &[&str]) -> bool {
    value.is_some_and(|value| allowed.iter().any(|one| one.eq_ignore_ascii_case(value)))
}

/// RFC 1870 section 4: `1*20DIGIT`.
fn is_size(value: Option<&str>) -> bool {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    value.is_some_and(|text| (1..=20).contains(&text.len()) && is_number(text))
}

/// RFC 6152 section 2 and RFC 3030 section 3.
fn is_body(value: Option<&str>) -> bool {
    is_one_of(value, &["7BIT", "8BITMIME", "BINARYMIME"])
}

/// RFC 3461 section 4.3.
fn is_ret(value: Option<&str>) -> bool {
    is_one_of(value, &["FULL", "HDRS"])
}

/// RFC 3461 section 4.4: at most 100 characters of xtext.
fn is_envid(value: Option<&str>) -> bool {
    value.is_some_and(|text| text.len() <= 100 && is_xtext(text))
}

/// RFC 4954 section 5.
fn is_auth(value: Option<&str>) -> bool {
    value.is_some_and(|text| text == "<>" || is_xtext(text))
}

/// RFC 3461 section 4.1.
fn is_notify(value: Option<&str>) -> bool {
    let is_when = |text: &str| is_one_of(Some(text), &["SUCCESS", "FAILURE", "DELAY"]);
    let is_never = is_one_of(value, &["NEVER"]);
    is_never || value.is_some_and(|text| text.split(',').all(is_when))
}

/// RFC 3461 section 4.2: at most 500 characters, `addr-type ";" xtext`. RFC 6533 section 3 writes
/// UTF-8 as it is.
fn is_orcpt(value: Option<&str>) -> bool {
    let parts = value
        .filter(|text| text.len() <= 500)
        .and_then(|text| text.split_once(';'));
    parts.is_some_and(|(kind, address)| match kind.eq_ignore_ascii_case("utf-8") {
        true => !address.is_empty(),
        false => is_atom(kind) && is_xtext(address),
    })
}

/// RFC 3461 section 4: printable ASCII, where `+` begins a byte in hexadecimal and `=` is none.
fn is_xtext(text: &str) -> bool {
    let is_hexadecimal = |pair: &str| {
        pair.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
    };
    let mut parts = text.split('+');
    parts.next();
    let is_escape = |part: &str| part.get(..2).is_some_and(is_hexadecimal);
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'=')
        && parts.all(is_escape)
}

/// What BDAT announces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub size: u64,
    pub is_last: bool,
}

/// RFC 3030 section 2: `"BDAT" SP chunk-size [SP "LAST"]`, the size being `1*DIGIT`.
pub(super) fn parse_chunk(rest: &str) -> Result<Chunk, Reply> {
    let (digits, is_last) = match rest.split_once(' ') {
        Some((digits, last)) if last.eq_ignore_ascii_case("LAST") => (digits, true),
        Some(_) => return Err(wrong("5.5.4", "only LAST may follow the size of a chunk")),
        None => (rest, false),
    };
    let is_number = is_size(Some(digits));
    match digits.parse() {
        Ok(size) if is_number => Ok(Chunk { size, is_last }),
        _ => Err(wrong(
            "5.5.4",
            "the size of a chunk is a number, and not too large a one",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_to_their_end() {
        for (rest, path, parameters) in [
            ("FROM:<>", "", &[][..]),
            ("from:<a@b>", "a@b", &[]),
            (
                "FROM:<a.b+c@x-1.example> SIZE=1 BODY=7BIT",
                "a.b+c@x-1.example",
                &["SIZE=1", "BODY=7BIT"],
            ),
            (
                "FROM:<\"a@>\\\" b\"@[127.0.0.1]>",
                "\"a@>\\\" b\"@[127.0.0.1]",
                &[],
            ),
            ("FROM:<a@[IPv6:::1]>", "a@[IPv6:::1]", &[]),
            ("FROM:<ü@bücher.example>", "ü@bücher.example", &[]),
            ("FROM:<Postmaster>", "Postmaster", &[]),
        ] {
            let expected = Envelope {
                path,
                parameters: parameters.to_vec(),
            };
            assert_eq!(parse_envelope("FROM:", rest), Ok(expected), "{rest}");
        }
    }

    #[test]
    fn wrong_paths_are_told_why() {
        for (rest, why) in [
            ("", "missing"),
            ("TO:<a@b>", "missing"),
            ("FROM: <a@b>", "no space"),
            ("FROM:a@b", "angle brackets"),
            ("FROM:<a>", "no domain"),
            ("FROM:<a@b", "does not end"),
            ("FROM:<a@b>x", "right behind"),
            ("FROM:<a@b> ", "a space stands"),
            ("FROM:<a@b>  SIZE=1", "a space stands"),
            ("FROM:<a..b@c>", "no dot-string"),
            ("FROM:<a b@c>", "no dot-string"),
            ("FROM:<@x:a@b>", "source routes"),
            ("FROM:<\"a@b>", "does not end"),
            ("FROM:<\"a\"b@c>", "does not end"),
            ("FROM:<a@b_c>", "no domain"),
            ("FROM:<a@-b>", "no domain"),
            ("FROM:<a@b.>", "no domain"),
            ("FROM:<a@[1.2.3]>", "no domain"),
            ("FROM:<a\u{85}@c>", "no dot-string"),
        ] {
            let reply = parse_envelope("FROM:", rest).unwrap_err();
            assert!(
                reply.code == 501 && reply.text.contains(why),
                "{rest}: {}",
                reply.text
            );
        }
        let long = |local: usize, label: usize| {
            let domain = format!("{0}.{0}.{0}.{0}", "d".repeat(label));
            format!("TO:<{}@{domain}>", "l".repeat(local))
        };
        assert!(parse_envelope("TO:", &long(64, 46)).is_ok());
        assert!(parse_envelope("TO:", &long(65, 46)).is_err());
        assert!(
            parse_envelope("TO:", &long(64, 47)).is_err(),
            "256 octets at most"
        );
    }

    #[test]
    fn parameters_are_offered_right_and_given_once() {
        let check = |known: &[Parameter], given: &[&'static str]| {
            let checked = check_parameters(known, given, |extension| extension != "AUTH");
            checked.map_err(|reply| (reply.code, reply.text))
        };
        let right = [
            "size=12",
            "BODY=8bitmime",
            "SMTPUTF8",
            "RET=HDRS",
            "ENVID=a+2Bb",
        ];
        let checked = check(OF_MAIL, &right).unwrap();
        assert_eq!(checked[0], ("SIZE", Some("12")));
        assert_eq!(checked[2], ("SMTPUTF8", None));
        check(OF_RCPT, &["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;a@b"]).unwrap();
        check(OF_RCPT, &["NOTIFY=NEVER", "ORCPT=utf-8;ü@b"]).unwrap();
        for wrong in [
            "SIZE",
            "SIZE=",
            "SIZE=-1",
            "BODY=9BIT",
            "SMTPUTF8=",
            "RET=no",
            "ENVID=a+2b",
            "ENVID=a=b",
        ] {
            assert_eq!(check(OF_MAIL, &[wrong]).unwrap_err().0, 501, "{wrong}");
        }
        for wrong in [
            "NOTIFY=NEVER,DELAY",
            "NOTIFY=",
            "ORCPT=a@b",
            "ORCPT=rfc822;",
        ] {
            assert_eq!(check(OF_RCPT, &[wrong]).unwrap_err().0, 501, "{wrong}");
        }
        for unknown in ["AUTH=<>", "NOTIFY=NEVER", "X"] {
            assert_eq!(check(OF_MAIL, &[unknown]).unwrap_err().0, 555, "{unknown}");
        }
        assert!(check(OF_MAIL, &["SIZE=1", "Size=2"])
            .unwrap_err()
            .1
            .contains("twice"));
    }

    #[test]
    fn chunks_have_a_size() {
        assert_eq!(
            parse_chunk("0 last"),
            Ok(Chunk {
                size: 0,
                is_last: true
            })
        );
        assert_eq!(
            parse_chunk("86"),
            Ok(Chunk {
                size: 86,
                is_last: false
            })
        );
        for wrong in [
            "",
            "x",
            "+1",
            "-1",
            "1 FIRST",
            "1  LAST",
            "99999999999999999999",
            " 1",
        ] {
            assert!(parse_chunk(wrong).is_err(), "{wrong}");
        }
    }
}
