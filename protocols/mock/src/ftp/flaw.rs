//! What the server does wrong all the time, as servers have been seen to do.

use std::fmt;
use std::str::FromStr;

/// Something that the server does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// PASV tells this address, and not the server's own.
    PasvAddress(String),
    /// PASV is answered without parentheses.
    BarePasv,
    /// PASV and EPSV tell a port below 1024.
    LowPort,
    /// PASV and EPSV are answered with something else.
    BadPassive,
    /// Nobody listens on the port that PASV and EPSV tell.
    DataRefused,
    /// Nobody accepts the data connection, and nothing is said.
    DataIgnored,
    /// The data connection is reset after so many bytes, and 426 is said.
    DataReset(u64),
    /// The data connection ends after so many bytes, as if that were all.
    DataCut(u64),
    /// Under PROT P the data connection is not encrypted.
    ClearData,
    /// The data connection shows the certificate of another host.
    WrongDataCertificate,
    /// The data connection stays open after the last byte.
    DataStaysOpen,
    /// 226 is said only when the client has closed the data connection.
    WaitsForClose,
    /// 426 is said after the last byte.
    Late426,
    /// Nothing is said after a transfer.
    No226,
    /// The control connection is closed after a transfer.
    Drop226,
    /// After a transfer 226 is said twice.
    Twice226,
    /// 226 is said when the transfer begins.
    Early226,
    /// REST is taken, and then the file comes from its beginning.
    RestIgnored,
    /// SIZE tells a byte too many.
    WrongSize,
    /// MDTM and listings tell another time each day.
    WrongTime,
    /// HASH and its like tell another digest.
    WrongHash,
    /// Listings hold names that lead elsewhere, and each of these can be had.
    HostileNames,
    /// Each folder has another in it.
    EndlessFolders,
    /// Listings do not end.
    EndlessList,
    /// A line of each listing has no end.
    EndlessLine,
    /// Replies to FEAT, HELP and STAT do not end.
    EndlessReply,
    /// Listings have lines in them that mean nothing.
    StrangeLines,
    /// PWD tells a path without quotes.
    BarePwd,
    /// With the greeting come replies that nobody asked for.
    EarlyReplies(String),
}

/// Every flaw as it is written, and what it does.
pub const FLAWS: &[(&str, &str)] = &[
    (
        "pasv-address[=ADDRESS]",
        "PASV tells this IPv4 address (192.0.2.1), and not the server's own",
    ),
    ("bare-pasv", "PASV is answered without parentheses"),
    ("low-port", "PASV and EPSV tell a port below 1024"),
    (
        "bad-passive",
        "PASV and EPSV are answered with something else than numbers",
    ),
    (
        "data-refused",
        "nobody listens on the port that PASV and EPSV tell",
    ),
    (
        "data-ignored",
        "nobody answers on the data connection, and nothing is said of it",
    ),
    (
        "data-reset[=N]",
        "the data connection is reset after N bytes (1000), and 426 is said",
    ),
    (
        "data-cut[=N]",
        "the data connection ends after N bytes (1000) as if that were all",
    ),
    (
        "clear-data",
        "under PROT P the data connection is not encrypted",
    ),
    (
        "wrong-data-certificate",
        "the data connection shows the certificate of another host",
    ),
    (
        "data-stays-open",
        "the data connection stays open after the last byte",
    ),
    (
        "waits-for-close",
        "226 is said only when the client has closed the data connection",
    ),
    ("late-426", "426 is said after the last byte"),
    ("no-226", "nothing is said after a transfer"),
    (
        "drop-226",
        "the control connection is closed after a transfer",
    ),
    ("twice-226", "after a transfer 226 is said twice"),
    ("early-226", "226 is said in the place of 150"),
    (
        "rest-ignored",
        "REST is taken, and then the file comes from its beginning",
    ),
    ("wrong-size", "SIZE tells a byte too many"),
    (
        "wrong-time",
        "MDTM, MLST and listings tell times that change with every question",
    ),
    (
        "wrong-hash",
        "HASH, XCRC, XMD5 and XSHA256 tell another digest",
    ),
    (
        "hostile-names",
        "listings hold names that lead elsewhere, and each of them can be had",
    ),
    ("endless-folders", "each folder has another in it"),
    ("endless-list", "listings do not end"),
    ("endless-line", "a line of each listing does not end"),
    (
        "endless-reply",
        "the replies to FEAT, HELP and STAT do not end",
    ),
    (
        "strange-lines",
        "listings have lines in them that mean nothing",
    ),
    ("bare-pwd", "PWD tells the path without quotes"),
    (
        "early-replies[=TEXT]",
        "with the greeting come replies that nobody asked for; \\n divides them",
    ),
];

/// What is said too early.
const EARLY: &str = "331 go on\n230 welcome";

/// Where data connections end.
const CUT: u64 = 1000;

/// An address that is nobody's (RFC 5737).
const ELSEWHERE: &str = "192.0.2.1";

/// A text that is no flaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAFlaw(String);

impl fmt::Display for NotAFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = FLAWS.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        write!(f, "{:?} is not a flaw; there are {names}", self.0)
    }
}

impl std::error::Error for NotAFlaw {}

impl FromStr for Flaw {
    type Err = NotAFlaw;

    fn from_str(text: &str) -> Result<Flaw, NotAFlaw> {
        parse(text).ok_or_else(|| NotAFlaw(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Flaw> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let number = || match value {
        Some(digits) => digits.parse().ok(),
        None => Some(CUT),
    };
    let flaw = match name {
        "pasv-address" => {
            let address: std::net::Ipv4Addr = value.unwrap_or(ELSEWHERE).parse().ok()?;
            return Some(Flaw::PasvAddress(address.to_string()));
        }
        "data-reset" => return number().map(Flaw::DataReset),
        "data-cut" => return number().map(Flaw::DataCut),
        "early-replies" => {
            let replies = value.unwrap_or(EARLY).replace("\\n", "\n");
            return (!replies.contains('\r')).then_some(Flaw::EarlyReplies(replies));
        }
        "bare-pasv" => Flaw::BarePasv,
        "low-port" => Flaw::LowPort,
        "bad-passive" => Flaw::BadPassive,
        "data-refused" => Flaw::DataRefused,
        "data-ignored" => Flaw::DataIgnored,
        "clear-data" => Flaw::ClearData,
        "wrong-data-certificate" => Flaw::WrongDataCertificate,
        "data-stays-open" => Flaw::DataStaysOpen,
        "waits-for-close" => Flaw::WaitsForClose,
        "late-426" => Flaw::Late426,
        "no-226" => Flaw::No226,
        "drop-226" => Flaw::Drop226,
        "twice-226" => Flaw::Twice226,
        "early-226" => Flaw::Early226,
        "rest-ignored" => Flaw::RestIgnored,
        "wrong-size" => Flaw::WrongSize,
        "wrong-time" => Flaw::WrongTime,
        "wrong-hash" => Flaw::WrongHash,
        "hostile-names" => Flaw::HostileNames,
        "endless-folders" => Flaw::EndlessFolders,
        "endless-list" => Flaw::EndlessList,
        "endless-line" => Flaw::EndlessLine,
        "endless-reply" => Flaw::EndlessReply,
        "strange-lines" => Flaw::StrangeLines,
        "bare-pwd" => Flaw::BarePwd,
        _ => return None,
    };
    value.is_none().then_some(flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_that_is_listed_is_read() {
        for (name, _) in FLAWS {
            let bare = name.split('[').next().unwrap();
            assert!(bare.parse::<Flaw>().is_ok(), "{name}");
            let value = if bare == "pasv-address" {
                "127.0.0.1"
            } else {
                "7"
            };
            let with_value = format!("{bare}={value}").parse::<Flaw>();
            assert_eq!(with_value.is_ok(), name.contains('='), "{name}");
        }
        for wrong in [
            "",
            "x",
            "data-cut=x",
            "pasv-address=x",
            "early-replies=a\rb",
        ] {
            let error = wrong.parse::<Flaw>().unwrap_err().to_string();
            assert!(error.contains("there are pasv-address"), "{error}");
        }
    }
}
