//! What is known of a protocol outside its crate: its name under TLS, and its words.

use proto_transport::Words;

/// A protocol that a command speaks.
pub struct Protocol {
    /// The names of its commands begin with this.
    pub name: &'static str,
    /// What it is called in the TLS handshake (RFC 7301), if it has such a name.
    pub alpn: &'static [&'static str],
    /// What the lines of its conversations mean.
    pub words: &'static Words,
}

/// RFC 9112.
pub const HTTP: Protocol = Protocol {
    name: "http",
    alpn: &["http/1.1"],
    words: &proto_http::WORDS,
};

/// RFC 5321.
pub const SMTP: Protocol = Protocol {
    name: "smtp",
    alpn: &[],
    words: &proto_smtp::WORDS,
};

/// RFC 1939.
pub const POP3: Protocol = Protocol {
    name: "pop3",
    alpn: &["pop3"],
    words: &proto_pop3::WORDS,
};

/// RFC 9051.
pub const IMAP: Protocol = Protocol {
    name: "imap",
    alpn: &["imap"],
    words: &proto_imap::WORDS,
};

/// RFC 3977.
pub const NNTP: Protocol = Protocol {
    name: "nntp",
    alpn: &["nntp"],
    words: &proto_nntp::WORDS,
};

/// RFC 959. The name is of RFC 7301's registry.
pub const FTP: Protocol = Protocol {
    name: "ftp",
    alpn: &["ftp"],
    words: &proto_ftp::WORDS,
};

/// RFC 1436.
pub const GOPHER: Protocol = Protocol {
    name: "gopher",
    alpn: &[],
    words: &proto_gopher::WORDS,
};

/// Whatever is spoken over TCP (RFC 9293).
pub const TCP: Protocol = Protocol {
    name: "tcp",
    alpn: &[],
    words: &NO_WORDS,
};

/// RFC 854.
pub const TELNET: Protocol = Protocol {
    name: "telnet",
    alpn: &[],
    words: &NO_WORDS,
};

/// Whatever is spoken in datagrams (RFC 768).
pub const UDP: Protocol = Protocol {
    name: "udp",
    alpn: &[],
    words: &NO_WORDS,
};

/// Nobody knows what lines mean.
const NO_WORDS: Words = Words {
    said: &[],
    heard: &[],
    has_tags: false,
};

/// The protocol of a command line, as a session form tells it: `proto pop3-fetch pop3://localhost`.
pub fn of_command(line: &str) -> Option<&'static Protocol> {
    const ALL: [&Protocol; 7] = [&HTTP, &SMTP, &POP3, &IMAP, &NNTP, &FTP, &GOPHER];
    let command = line.strip_prefix("proto ")?.split('-').next()?;
    ALL.into_iter().find(|protocol| protocol.name == command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_its_protocol() {
        let name = |line| of_command(line).map(|protocol| protocol.name);
        assert_eq!(name("proto imap-list imap://localhost"), Some("imap"));
        assert_eq!(name("proto http-get x"), Some("http"));
        assert_eq!(name("proto mail-show x"), None);
        assert_eq!(name("pop3-list"), None);
    }
}
