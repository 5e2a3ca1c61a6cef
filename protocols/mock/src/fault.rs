//! What can go wrong on purpose: the faults of a server by name, as `--fault NAME[=VALUE]` takes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use proto_transport::session::{Session, Side, Step};

/// Something that a server does wrong, whatever it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Every byte goes out alone, so much later than the one before.
    Drip(Duration),
    /// An orderly close after so many bytes.
    Cut(u64),
    /// A reset after so many bytes.
    CutReset(u64),
    /// Every byte goes out alone, without a pause.
    Split,
    /// A pause before everything that is said.
    Delay(Duration),
    /// A reset as soon as somebody connects.
    Reset,
    /// The first line that is said never ends.
    EndlessLine,
    /// Everything is read and nothing is said.
    Silence,
    /// Random bytes instead of the first thing to be said, then the end.
    Garbage,
    /// Bytes in plaintext right behind the reply to STARTTLS.
    Inject(Vec<u8>),
    /// TLS ends without close_notify.
    NoCloseNotify,
    /// Nothing is read after the first line.
    Deaf,
}

/// Every fault as it is written, and what it does.
pub const FAULTS: &[(&str, &str)] = &[
    ("drip[=TIME]", "send one byte at a time, each so much later than the one before (5ms); also the TLS handshake"),
    ("cut=N", "close after N bytes of what is said"),
    ("cut-reset=N", "reset the connection after N bytes of what is said"),
    ("split", "send every byte in a segment of its own; also the TLS handshake"),
    ("delay[=TIME]", "wait before everything that is said (200ms)"),
    ("reset", "reset every connection as soon as it is accepted"),
    ("endless-line", "never end the first line that is said (or only after 256 MiB)"),
    ("silence", "read everything and say nothing, not even in the TLS handshake"),
    ("garbage", "say 64 KiB of random bytes, always the same, instead of the first reply, and close"),
    ("inject=TEXT", "say TEXT (escapes: \\r \\n \\xNN) in plaintext in the same write as the reply to STARTTLS"),
    ("no-close-notify", "end TLS without close_notify, as a cut connection does"),
    ("deaf", "read nothing after the first line"),
];

const DRIP: Duration = Duration::from_millis(5);
const DELAY: Duration = Duration::from_millis(200);

/// A text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAFault {
    text: String,
}

impl fmt::Display for NotAFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a fault; there are:", self.text)?;
        for (index, (usage, _)) in FAULTS.iter().enumerate() {
            let separator = if index == 0 { ' ' } else { ',' };
            write!(f, "{separator}{}{usage}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl std::error::Error for NotAFault {}

impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Fault, NotAFault> {
        parse(text).ok_or_else(|| NotAFault {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Fault> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    Some(match (name, value) {
        ("drip", None) => Fault::Drip(DRIP),
        ("drip", Some(time)) => Fault::Drip(parse_time(time)?),
        ("cut", Some(count)) => Fault::Cut(count.parse().ok()?),
        ("cut-reset", Some(count)) => Fault::CutReset(count.parse().ok()?),
        ("split", None) => Fault::Split,
        ("delay", None) => Fault::Delay(DELAY),
        ("delay", Some(time)) => Fault::Delay(parse_time(time)?),
        ("reset", None) => Fault::Reset,
        ("endless-line", None) => Fault::EndlessLine,
        ("silence", None) => Fault::Silence,
        ("garbage", None) => Fault::Garbage,
        ("inject", Some(text)) => Fault::Inject(unescape(text)?),
        ("no-close-notify", None) => Fault::NoCloseNotify,
        ("deaf", None) => Fault::Deaf,
        _ => return None,
    })
}

/// `200ms`, `2s`, or milliseconds alone.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => match text.strip_suffix('s') {
            Some(digits) => (digits, 1000),
            None => (text, 1),
        },
    };
    let number: u64 = digits.parse().ok()?;
    Some(Duration::from_millis(number.checked_mul(unit)?))
}

/// The escapes are those of the session form, so that form reads and writes them.
fn unescape(text: &str) -> Option<Vec<u8>> {
    if text.contains(['\r', '\n']) {
        return None;
    }
    match Session::parse(&format!("S| {text}")).ok()?.steps.pop()? {
        (_, Step::Bytes(_, bytes)) => Some(bytes),
        _ => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Drip(time) => write!(f, "drip={}ms", time.as_millis()),
            Fault::Cut(count) => write!(f, "cut={count}"),
            Fault::CutReset(count) => write!(f, "cut-reset={count}"),
            Fault::Split => f.write_str("split"),
            Fault::Delay(time) => write!(f, "delay={}ms", time.as_millis()),
            Fault::Reset => f.write_str("reset"),
            Fault::EndlessLine => f.write_str("endless-line"),
            Fault::Silence => f.write_str("silence"),
            Fault::Garbage => f.write_str("garbage"),
            Fault::Inject(bytes) => {
                let step = Step::Bytes(Side::Server, bytes.clone()).to_string();
                write!(f, "inject={}", step.strip_prefix("S| ").unwrap_or_default())
            }
            Fault::NoCloseNotify => f.write_str("no-close-notify"),
            Fault::Deaf => f.write_str("deaf"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_table_reads_back() {
        for (usage, _) in FAULTS {
            let text = usage
                .replace("[=TIME]", "=1s")
                .replace("=N", "=17")
                .replace("=TEXT", "=250 ok\\r\\n");
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string().parse(), Ok(fault), "{text}");
        }
    }

    #[test]
    fn values_have_units_and_escapes() {
        assert_eq!("drip".parse(), Ok(Fault::Drip(DRIP)));
        assert_eq!("delay=2s".parse(), Ok(Fault::Delay(Duration::from_secs(2))));
        assert_eq!(
            "delay=7".parse(),
            Ok(Fault::Delay(Duration::from_millis(7)))
        );
        assert_eq!(
            "inject= a=b\\r\\n".parse(),
            Ok(Fault::Inject(b" a=b\r\n".to_vec()))
        );
    }

    #[test]
    fn an_unknown_fault_is_told_what_there_is() {
        for wrong in [
            "",
            "drop",
            "cut",
            "cut=x",
            "split=1",
            "delay=1h",
            "inject=\\q",
        ] {
            let error = wrong.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains("there are: drip[=TIME], cut=N, "), "{error}");
            assert!(error.ends_with(", deaf"), "{error}");
        }
    }
}
