//! What they say: status lines, response codes, capabilities and listings. Pure parsers.

use proto_transport::escape::escaped;
use proto_transport::Refusal;

/// A status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status<'l> {
    /// `+OK` and its text.
    Ok(&'l [u8]),
    /// `-ERR` and its text.
    Err(&'l [u8]),
    /// `+` and a challenge (RFC 5034 section 4).
    Challenge(&'l [u8]),
}

impl Status<'_> {
    /// `status = ( "+OK" / "-ERR" ) [ SP text ]`, in any case, or `"+" SP [ base64 ]`.
    pub fn parse(line: &[u8]) -> Option<Status<'_>> {
        let word_end = line.iter().position(|byte| *byte == b' ');
        let (word, text) = line.split_at(word_end.unwrap_or(line.len()));
        let text = text.strip_prefix(b" ").unwrap_or(text);
        match word {
            b"+" => Some(Status::Challenge(text)),
            _ if word.eq_ignore_ascii_case(b"+OK") => Some(Status::Ok(text)),
            _ if word.eq_ignore_ascii_case(b"-ERR") => Some(Status::Err(text)),
            _ => None,
        }
    }
}

/// What kind of no a refusal is, by its response code (RFC 2449 section 8, RFC 3206):
/// `"[" resp-level *("/" resp-level) "]"`. `None` without a code that is known.
pub fn refusal(text: &[u8]) -> Option<Refusal> {
    let code = text.strip_prefix(b"[")?;
    let end = code.iter().position(|byte| *byte == b']')?;
    let code = code.get(..end)?.to_ascii_uppercase();
    match code.as_slice() {
        b"IN-USE" | b"LOGIN-DELAY" | b"SYS/TEMP" => Some(Refusal::Transient),
        b"SYS/PERM" => Some(Refusal::Lasting),
        b"AUTH" => Some(Refusal::Credentials),
        _ => None,
    }
}

/// What a server can do, as it says in its reply to CAPA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(Vec<(String, String)>);

impl Capabilities {
    /// Adds a line: `capability = keyword *( SP parameter )`.
    pub fn add(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let (keyword, parameters) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if !keyword.is_empty() {
            self.0
                .push((keyword.to_ascii_uppercase(), parameters.trim().to_owned()));
        }
    }

    /// Each keyword, in capitals, with its parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(keyword, parameters)| (keyword.as_str(), parameters.as_str()))
    }

    /// Whether this keyword is there.
    pub fn offers(&self, keyword: &str) -> bool {
        self.0.iter().any(|(known, _)| known == keyword)
    }

    /// The SASL mechanisms (RFC 5034).
    pub fn mechanisms(&self) -> Vec<String> {
        let lines = self.iter().filter(|(keyword, _)| *keyword == "SASL");
        let words = lines.flat_map(|(_, parameters)| parameters.split_whitespace());
        words.map(str::to_ascii_uppercase).collect()
    }
}

/// `number SP value`, a line of LIST or UIDL. Servers pad with spaces, and some values hold them.
pub fn listing(line: &[u8]) -> Option<(u32, &[u8])> {
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, value) = line.split_at(end);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let value = value.trim_ascii_start();
    (number > 0 && !value.is_empty()).then_some((number, value))
}

/// The size in a line of LIST: digits, and perhaps more that nobody asked for.
pub fn size(value: &[u8]) -> Option<u64> {
    let digits = value.split(|byte| *byte == b' ').next()?;
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .filter(|_| is_number)
}

/// The longest unique-id (RFC 1939 section 7).
const LONGEST_UID: usize = 70;

/// A unique-id as text, made harmless. `None` if it is too long to be one.
pub fn uid(value: &[u8]) -> Option<String> {
    (value.len() <= LONGEST_UID).then(|| escaped(value))
}

/// The timestamp in a greeting that APOP needs (RFC 1939 section 7), if it is a msg-id of printable
/// ASCII: with anything else a hostile server could choose blocks for a collision (CVE-2007-1558).
pub fn timestamp(greeting: &[u8]) -> Option<&str> {
    let start = greeting.iter().position(|byte| *byte == b'<')?;
    let rest = greeting.get(start..)?;
    let end = rest.iter().position(|byte| *byte == b'>')?;
    let stamp = std::str::from_utf8(rest.get(..=end)?).ok()?;
    let inner = stamp.get(1..stamp.len() - 1)?;
    let (left, right) = inner.split_once('@')?;
    let is_plain = |c: char| c.is_ascii_graphic() && !"<>@\"\\".contains(c);
    let is_part = |part: &str| !part.is_empty() && part.chars().all(is_plain);
    (is_part(left) && is_part(right)).then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_in_any_case() {
        assert_eq!(Status::parse(b"+OK"), Some(Status::Ok(b"")));
        assert_eq!(Status::parse(b"+ok 2 320"), Some(Status::Ok(b"2 320")));
        assert_eq!(Status::parse(b"-ERR  no"), Some(Status::Err(b" no")));
        assert_eq!(Status::parse(b"+ cGw="), Some(Status::Challenge(b"cGw=")));
        assert_eq!(Status::parse(b"+"), Some(Status::Challenge(b"")));
        for wrong in [&b""[..], b"OK", b"+OKAY", b"* OK", b"220 x", b" +OK"] {
            assert_eq!(Status::parse(wrong), None);
        }
    }

    #[test]
    fn response_codes_say_what_kind_of_no_it_is() {
        assert_eq!(refusal(b"[IN-USE] busy"), Some(Refusal::Transient));
        assert_eq!(refusal(b"[sys/temp] x"), Some(Refusal::Transient));
        assert_eq!(refusal(b"[AUTH] x"), Some(Refusal::Credentials));
        assert_eq!(refusal(b"[SYS/PERM]"), Some(Refusal::Lasting));
        for none in [&b""[..], b"no", b"[X-Y] a", b"[AUTH", b"x [AUTH]"] {
            assert_eq!(refusal(none), None);
        }
    }

    #[test]
    fn capabilities_and_mechanisms() {
        let mut capabilities = Capabilities::default();
        for line in [
            "TOP",
            "uidl ",
            "SASL CRAM-MD5 plain",
            "EXPIRE 60",
            "",
            "\u{1b}[2J",
        ] {
            capabilities.add(line.as_bytes());
        }
        assert!(capabilities.offers("UIDL") && !capabilities.offers("STLS"));
        assert_eq!(capabilities.mechanisms(), ["CRAM-MD5", "PLAIN"]);
    }

    #[test]
    fn listings_with_odd_values() {
        assert_eq!(listing(b"1 120"), Some((1, &b"120"[..])));
        assert_eq!(listing(b" 2   a b "), Some((2, &b"a b"[..])));
        assert_eq!(listing(b"1 x\x80"), Some((1, &b"x\x80"[..])));
        for wrong in [&b""[..], b"1", b"x 1", b"0 1", b"99999999999 1", b"-1 1"] {
            assert_eq!(listing(wrong), None);
        }
        assert_eq!(size(b"120"), Some(120));
        assert_eq!(size(b"120 extra"), Some(120));
        for wrong in [&b""[..], b"-1", b"+1", b"1k", b"99999999999999999999"] {
            assert_eq!(size(wrong), None);
        }
    }

    #[test]
    fn unique_ids_are_harmless_and_not_too_long() {
        assert_eq!(uid(b"a/b").as_deref(), Some("a/b"));
        assert_eq!(uid(b"\x1b[2J").as_deref(), Some("\\x1b[2J"));
        assert!(uid(&[b'x'; 70]).is_some());
        assert_eq!(uid(&[b'x'; 71]), None);
    }

    #[test]
    fn only_a_message_id_is_a_timestamp() {
        let right = b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>";
        assert_eq!(timestamp(right), Some("<1896.697170952@dbc.mtview.ca.us>"));
        for wrong in [
            &b"ready"[..],
            b"<a>",
            b"<@b>",
            b"<a@>",
            b"<a@b",
            b"<\x80@b>",
            b"<a b@c>",
            b"<a@b@c>",
        ] {
            assert_eq!(timestamp(wrong), None);
        }
    }
}
