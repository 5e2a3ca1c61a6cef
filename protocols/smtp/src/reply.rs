//! What they say: extensions and enhanced status codes. Pure parsers.

use std::fmt;

use proto_transport::StatusReply;

/// An extension that is used here, by its keyword in the reply to EHLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extension {
    /// Commands ahead of their replies (RFC 2920).
    Pipelining,
    /// Sizes are told before messages (RFC 1870).
    Size,
    /// Octets over 127 in bodies (RFC 6152).
    EightBitMime,
    /// UTF-8 in addresses and headers (RFC 6531).
    SmtpUtf8,
    /// Delivery status notifications (RFC 3461).
    Dsn,
    /// BDAT (RFC 3030).
    Chunking,
    /// Octets that are no lines, by BDAT (RFC 3030).
    BinaryMime,
    /// Codes such as 5.1.1 (RFC 2034).
    EnhancedStatusCodes,
    /// TLS by a command (RFC 3207).
    StartTls,
    /// Logging in (RFC 4954).
    Auth,
}

impl Extension {
    /// All of them.
    pub const ALL: [Extension; 10] = [
        Extension::Pipelining,
        Extension::Size,
        Extension::EightBitMime,
        Extension::SmtpUtf8,
        Extension::Dsn,
        Extension::Chunking,
        Extension::BinaryMime,
        Extension::EnhancedStatusCodes,
        Extension::StartTls,
        Extension::Auth,
    ];

    /// Its keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Extension::Pipelining => "PIPELINING",
            Extension::Size => "SIZE",
            Extension::EightBitMime => "8BITMIME",
            Extension::SmtpUtf8 => "SMTPUTF8",
            Extension::Dsn => "DSN",
            Extension::Chunking => "CHUNKING",
            Extension::BinaryMime => "BINARYMIME",
            Extension::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Extension::StartTls => "STARTTLS",
            Extension::Auth => "AUTH",
        }
    }

    /// The extension with this keyword, in any case.
    pub fn from_keyword(text: &str) -> Option<Extension> {
        let mut all = Extension::ALL.into_iter();
        all.find(|extension| extension.keyword().eq_ignore_ascii_case(text))
    }
}

/// What a server can do, as it says in its reply to EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions(Vec<(String, String)>);

impl Extensions {
    /// `ehlo-line = ehlo-keyword *( SP ehlo-param )`, after a first line that names the server
    /// (RFC 5321 section 4.1.1.1). Old servers write `AUTH=` for `AUTH `.
    pub fn parse(reply: &StatusReply) -> Extensions {
        let lines = reply.lines.iter().skip(1);
        let line = |line: &Vec<u8>| {
            let text = String::from_utf8_lossy(line);
            let mut words = text.trim_end().splitn(2, [' ', '=']);
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            (keyword, words.next().unwrap_or_default().trim().to_owned())
        };
        Extensions(lines.map(line).collect())
    }

    /// Each keyword, in capitals, with its parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(keyword, parameters)| (keyword.as_str(), parameters.as_str()))
    }

    /// Whether this extension is offered.
    pub fn offers(&self, extension: Extension) -> bool {
        self.parameters(extension).is_some()
    }

    fn parameters(&self, extension: Extension) -> Option<&str> {
        let mut all = self.iter();
        all.find_map(|(keyword, rest)| (keyword == extension.keyword()).then_some(rest))
    }

    /// The largest message that is taken, in octets. A server may name none, or 0 for none.
    pub fn size_limit(&self) -> Option<u64> {
        let limit = self.parameters(Extension::Size)?.parse().ok()?;
        (limit > 0).then_some(limit)
    }

    /// The mechanisms for logging in.
    pub fn mechanisms(&self) -> Vec<String> {
        let mut mechanisms = Vec::new();
        let named = |keyword: &&str| *keyword == Extension::Auth.keyword();
        for (_, parameters) in self.iter().filter(|(keyword, _)| named(keyword)) {
            for word in parameters.split([' ', '=']).filter(|word| !word.is_empty()) {
                if !mechanisms.contains(&word.to_ascii_uppercase()) {
                    mechanisms.push(word.to_ascii_uppercase());
                }
            }
        }
        mechanisms
    }

    /// Takes extensions away, as if they had not been offered.
    pub fn without(&mut self, extensions: &[Extension]) {
        self.0
            .retain(|(keyword, _)| !extensions.iter().any(|hidden| hidden.keyword() == keyword));
    }

    /// Adds extensions that were not offered, as if they had been.
    pub fn assume(&mut self, extensions: &[Extension]) {
        for extension in extensions {
            if !self.offers(*extension) {
                self.0.push((extension.keyword().to_owned(), String::new()));
            }
        }
    }
}

/// `class "." subject "." detail` (RFC 3463 section 2)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    /// 2 is success, 4 a failure that may pass, 5 one that lasts.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl EnhancedCode {
    /// The code at the beginning of a reply's text, if it has one that agrees with its three digits.
    pub fn of(reply: &StatusReply) -> Option<EnhancedCode> {
        let line = reply.lines.first()?;
        let word = line.split(|byte| *byte == b' ').next()?;
        let mut numbers = word.split(|byte| *byte == b'.').map(number);
        let code = EnhancedCode {
            class: u8::try_from(numbers.next()??).ok()?,
            subject: numbers.next()??,
            detail: numbers.next()??,
        };
        let agrees = u16::from(code.class) == reply.code / 100 && numbers.next().is_none();
        agrees.then_some(code)
    }
}

/// `1*3DIGIT`
fn number(digits: &[u8]) -> Option<u16> {
    let is_number = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        digits
            .iter()
            .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
    })
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, lines: &[&str]) -> StatusReply {
        let lines = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        StatusReply { code, lines }
    }

    #[test]
    fn extensions_are_read_in_any_case() {
        let hello = [
            "mail.example.org greets you",
            "PIPELINING",
            "size 100000000",
            "8bitmime ",
            "AUTH PLAIN LOGIN",
            "AUTH=LOGIN CRAM-MD5",
            "X-ODD  one  two",
            "",
            "\u{1b}[2J",
        ];
        let extensions = Extensions::parse(&reply(250, &hello));
        assert!(extensions.offers(Extension::Pipelining));
        assert!(extensions.offers(Extension::EightBitMime));
        assert!(!extensions.offers(Extension::StartTls));
        assert_eq!(extensions.size_limit(), Some(100_000_000));
        assert_eq!(extensions.mechanisms(), ["PLAIN", "LOGIN", "CRAM-MD5"]);
        assert!(extensions.iter().any(|pair| pair == ("X-ODD", "one  two")));
        // The first line is the server's name, whatever it looks like.
        let extensions = Extensions::parse(&reply(250, &["STARTTLS"]));
        assert!(!extensions.offers(Extension::StartTls));
    }

    #[test]
    fn no_limit_is_no_limit() {
        for line in [
            "SIZE",
            "SIZE 0",
            "SIZE x",
            "SIZE -1",
            "SIZE 99999999999999999999",
        ] {
            let extensions = Extensions::parse(&reply(250, &["a", line]));
            assert_eq!(extensions.size_limit(), None, "{line}");
            assert!(extensions.offers(Extension::Size));
        }
    }

    #[test]
    fn extensions_can_be_hidden_and_assumed() {
        let mut extensions = Extensions::parse(&reply(250, &["a", "CHUNKING", "SIZE 1"]));
        extensions.without(&[Extension::Chunking, Extension::Dsn]);
        extensions.assume(&[Extension::SmtpUtf8, Extension::Size]);
        let left: Vec<_> = extensions.iter().collect();
        assert_eq!(left, [("SIZE", "1"), ("SMTPUTF8", "")]);
        for extension in Extension::ALL {
            let keyword = extension.keyword().to_ascii_lowercase();
            assert_eq!(Extension::from_keyword(&keyword), Some(extension));
        }
    }

    #[test]
    fn enhanced_codes_agree_with_the_digits() {
        let code = |code, text| EnhancedCode::of(&reply(code, &[text])).map(|c| c.to_string());
        assert_eq!(code(550, "5.1.1 No such user").as_deref(), Some("5.1.1"));
        assert_eq!(code(250, "2.0.0").as_deref(), Some("2.0.0"));
        assert_eq!(code(450, "4.7.100 x").as_deref(), Some("4.7.100"));
        for (digits, text) in [
            (550, "4.1.1 lies"),
            (550, "no 5.1.1"),
            (550, "5.1 x"),
            (550, "5.1.1.1 x"),
            (550, "5.1.1000 x"),
            (550, "5..1 x"),
            (550, "5.1.+1 x"),
            (550, ""),
        ] {
            assert_eq!(code(digits, text), None, "{text}");
        }
    }
}
