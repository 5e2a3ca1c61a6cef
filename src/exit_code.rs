//! Which exit status an error means: the sysexits that mail programs have used since 4BSD.

use proto_transport::{Error, Refusal, Unreachable};

/// Everything went well.
pub const OK: u8 = 0;
/// EX_USAGE: we were asked for something that cannot be said.
pub const USAGE: u8 = 64;
/// EX_DATAERR: a limit of ours was passed.
pub const DATA: u8 = 65;
/// EX_NOHOST: there is no such host.
pub const NO_HOST: u8 = 68;
/// EX_UNAVAILABLE: nobody answers, or the answer is no for good.
pub const UNAVAILABLE: u8 = 69;
/// EX_IOERR: our own files or output failed.
pub const IO: u8 = 74;
/// EX_TEMPFAIL: it may work later.
pub const TEMPORARY: u8 = 75;
/// EX_PROTOCOL: the peer broke the protocol, or TLS could not be had.
pub const PROTOCOL: u8 = 76;
/// EX_NOPERM: credentials or certificates were not accepted.
pub const PERMISSION: u8 = 77;

/// Not of sysexits, because none of them says it: the message was sent and no answer came, so that
/// to send it again may deliver it twice.
pub const UNKNOWN: u8 = 79;

/// The exit status of an error.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Illegal { .. } => USAGE,
        Error::Unreachable { because, .. } => match because {
            Unreachable::NoSuchHost => NO_HOST,
            Unreachable::NobodyAnswers => UNAVAILABLE,
        },
        Error::Insecure { certificate, .. } => match certificate {
            true => PERMISSION,
            false => PROTOCOL,
        },
        Error::TimedOut { .. } | Error::Closed { .. } => TEMPORARY,
        Error::Malformed { .. } => PROTOCOL,
        Error::Refused { refusal, .. } => match refusal {
            Refusal::Transient => TEMPORARY,
            Refusal::Lasting => UNAVAILABLE,
            Refusal::Credentials => PERMISSION,
        },
        Error::TooLarge { .. } => DATA,
        Error::Io { .. } => IO,
    }
}

/// How bad a status is when several targets differ: what will not mend itself is worse than what
/// may, and what the user must act on first is worst.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    let severity = |code: &u8| match *code {
        OK => 0,
        TEMPORARY => 1,
        UNAVAILABLE => 2,
        NO_HOST => 3,
        DATA => 4,
        PROTOCOL => 5,
        PERMISSION => 6,
        IO => 7,
        UNKNOWN => 8,
        _ => 9,
    };
    codes.into_iter().max_by_key(severity).unwrap_or(OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_error_has_its_status() {
        let s = String::new;
        let refused = |refusal| Error::Refused {
            peer: s(),
            doing: s(),
            reply: s(),
            refusal,
        };
        let unreachable = |because| Error::Unreachable {
            peer: s(),
            because,
            why: s(),
        };
        let insecure = |certificate| Error::Insecure {
            peer: s(),
            doing: s(),
            why: s(),
            certificate,
        };
        let table = [
            (Error::illegal("x"), 64),
            (unreachable(Unreachable::NoSuchHost), 68),
            (unreachable(Unreachable::NobodyAnswers), 69),
            (insecure(false), 76),
            (insecure(true), 77),
            (
                Error::TimedOut {
                    peer: s(),
                    doing: s(),
                    after: Duration::ZERO,
                },
                75,
            ),
            (
                Error::Closed {
                    peer: s(),
                    doing: s(),
                    why: s(),
                },
                75,
            ),
            (
                Error::Malformed {
                    peer: s(),
                    doing: s(),
                    rule: s(),
                    excerpt: s(),
                },
                76,
            ),
            (refused(Refusal::Transient), 75),
            (refused(Refusal::Lasting), 69),
            (refused(Refusal::Credentials), 77),
            (
                Error::TooLarge {
                    what: s(),
                    limit: 0,
                },
                65,
            ),
            (Error::io("x", std::io::ErrorKind::StorageFull.into()), 74),
        ];
        for (error, code) in table {
            assert_eq!(exit_code(&error), code, "{error:?}");
        }
    }

    #[test]
    fn the_worst_status_counts() {
        assert_eq!(worst([]), OK);
        assert_eq!(worst([OK, TEMPORARY, OK]), TEMPORARY);
        assert_eq!(worst([TEMPORARY, UNAVAILABLE]), UNAVAILABLE);
        assert_eq!(worst([PERMISSION, UNAVAILABLE, IO]), IO);
        assert_eq!(worst([UNAVAILABLE, UNKNOWN, TEMPORARY]), UNKNOWN);
    }
}
