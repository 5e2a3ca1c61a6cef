//! Response codes (RFC 9051 section 7.1): why, and what else there is to know.

use proto_transport::escape::escaped;
use proto_transport::Refusal;

use super::flag::Flag;
use super::{list_of, split_word, Capabilities};
use crate::set::{length, ranges_of, UidSet};
use crate::syntax::{number, positive, Fault, Parsed, Tokens};

/// A response code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// The text is for the user to see.
    Alert,
    /// The charset of a search is not known.
    BadCharset,
    /// What the server can do.
    Capability(Capabilities),
    /// The flags that can be changed for good, and whether new ones can be made up.
    PermanentFlags {
        /// Those that can.
        flags: Vec<Flag>,
        /// Whether there may be others (`\*`).
        may_invent: bool,
    },
    /// What makes UIDs valid.
    UidValidity(u32),
    /// The UID that the next message will have.
    UidNext(u32),
    /// The mailbox is open for looking only.
    ReadOnly,
    /// The mailbox can be changed.
    ReadWrite,
    /// There is no such mailbox yet; it could be created.
    TryCreate,
    /// Where a message went (RFC 4315).
    AppendUid {
        /// What makes the UID valid.
        validity: u32,
        /// The new message.
        uid: u32,
    },
    /// Where messages went (RFC 4315).
    CopyUid(Copied),
    /// The last change (RFC 7162).
    HighestModseq(u64),
    /// The mailbox keeps no record of changes (RFC 7162).
    NoModseq,
    /// What had changed before, and was left as it is (RFC 7162).
    Modified(UidSet),
    /// Whatever follows is about another mailbox than what came before (RFC 7162).
    Closed,
    /// UIDs do not outlive this session (RFC 4315).
    UidNotSticky,
    /// Wrong user or password, or the like.
    AuthenticationFailed,
    /// One may not act as the other.
    AuthorizationFailed,
    /// The password is too old, or the account has ended.
    Expired,
    /// Not without encryption.
    PrivacyRequired,
    /// Only a person can help.
    ContactAdmin,
    /// One may not do this (NOPERM).
    NoPermission,
    /// Somebody else has it under lock.
    InUse,
    /// Somebody else removed messages meanwhile.
    ExpungeIssued,
    /// The mailbox is damaged.
    Corruption,
    /// The server made a mistake.
    ServerBug,
    /// The server says that we did.
    ClientBug,
    /// It never works here.
    Cannot,
    /// A limit of the server was passed.
    Limit,
    /// There is no room.
    OverQuota,
    /// It is there already.
    AlreadyExists,
    /// There is no such thing.
    Nonexistent,
    /// Something that the server needs is away for now.
    Unavailable,
    /// Compression is there already (RFC 4978).
    CompressionActive,
    /// The server cannot decode this part (RFC 3516).
    UnknownCte,
    /// A result was to be kept and was not (RFC 5182).
    NotSaved,
    /// A mailbox with others below it cannot be deleted.
    HasChildren,
    /// Another one, or one that is not well-formed: escaped, as it stands between the brackets.
    Other(String),
}

/// Which message became which (RFC 4315 section 3), in ranges that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copied {
    /// What makes the new UIDs valid.
    pub validity: u32,
    from: Vec<(u32, u32)>,
    to: Vec<(u32, u32)>,
}

impl Copied {
    /// `"COPYUID" SP nz-number SP uid-set SP uid-set`, both sets of the same size.
    fn parse(tokens: &mut Tokens<'_>) -> Parsed<Copied> {
        let validity = positive(tokens.atom()?)?;
        let (from, to) = (ranges_of(tokens.atom()?)?, ranges_of(tokens.atom()?)?);
        let count = |ranges: &[(u32, u32)]| ranges.iter().map(|range| length(*range)).sum::<u64>();
        match count(&from) == count(&to) {
            true => Ok(Copied { validity, from, to }),
            false => Err(Fault("each message that is copied has one new UID")),
        }
    }

    /// Each message with its new UID.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let each = |ranges: &'_ [(u32, u32)]| {
            let ranges = ranges.to_vec();
            ranges.into_iter().flat_map(|(first, last)| first..=last)
        };
        each(&self.from).zip(each(&self.to))
    }

    /// Those that were copied.
    pub(crate) fn sources(&self) -> UidSet {
        UidSet::from_ranges(self.from.clone())
    }

    /// Adds what another command copied to the same mailbox.
    pub(crate) fn extend(&mut self, other: Copied) {
        self.validity = other.validity;
        self.from.extend(other.from);
        self.to.extend(other.to);
    }
}

/// `"[" resp-text-code "]" [SP text]`: what is between the brackets, and the text.
pub(crate) fn split(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(inner) = text.strip_prefix(b"[") else {
        return (None, text);
    };
    // A quoted argument may hold a bracket.
    let mut in_quotes = false;
    let end = inner.iter().position(|byte| {
        in_quotes ^= *byte == b'"';
        *byte == b']' && !in_quotes
    });
    match end.or_else(|| inner.iter().position(|byte| *byte == b']')) {
        Some(end) => {
            let (code, rest) = inner.split_at(end);
            (Some(code), rest.get(1..).unwrap_or_default().trim_ascii())
        }
        None => (None, text),
    }
}

impl Code {
    /// What stands between the brackets. One that is broken is kept as text.
    pub(crate) fn parse(text: &[u8]) -> Code {
        Code::known(text).unwrap_or_else(|_| Code::Other(escaped(text)))
    }

    fn known(text: &[u8]) -> Parsed<Code> {
        let (word, rest) = split_word(text.trim_ascii());
        let mut tokens = Tokens::new(rest);
        let word = word.to_ascii_uppercase();
        let word = std::str::from_utf8(&word).map_err(|_| Fault("a code is an atom"))?;
        if let Some((_, code)) = BARE.iter().find(|(name, _)| *name == word) {
            return Ok(code.clone());
        }
        Ok(match word {
            "CAPABILITY" => Code::Capability(Capabilities::parse(rest)),
            "PERMANENTFLAGS" => {
                let mut flags = list_of(&mut tokens, Flag::parse)?;
                let known = flags.len();
                flags.retain(|flag| flag.as_str() != "\\*");
                let may_invent = flags.len() < known;
                Code::PermanentFlags { flags, may_invent }
            }
            "UIDVALIDITY" => Code::UidValidity(positive(rest.trim_ascii())?),
            "UIDNEXT" => Code::UidNext(positive(rest.trim_ascii())?),
            "HIGHESTMODSEQ" => Code::HighestModseq(number(rest.trim_ascii())?),
            "MODIFIED" => Code::Modified(UidSet::from_wire(rest.trim_ascii())?),
            "APPENDUID" => {
                let validity = positive(tokens.atom()?)?;
                let uid = positive(tokens.atom()?)?;
                Code::AppendUid { validity, uid }
            }
            "COPYUID" => Code::CopyUid(Copied::parse(&mut tokens)?),
            _ => return Err(Fault("this code is not known here")),
        })
    }

    /// What kind of no it stands for; `None` where it does not say.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Code::Unavailable | Code::InUse | Code::ExpungeIssued => Some(Refusal::Transient),
            Code::AuthenticationFailed
            | Code::AuthorizationFailed
            | Code::Expired
            | Code::NoPermission => Some(Refusal::Credentials),
            Code::PrivacyRequired
            | Code::ContactAdmin
            | Code::Corruption
            | Code::ServerBug
            | Code::ClientBug
            | Code::Cannot
            | Code::Limit
            | Code::OverQuota
            | Code::AlreadyExists
            | Code::Nonexistent
            | Code::BadCharset
            | Code::TryCreate
            | Code::UnknownCte
            | Code::HasChildren => Some(Refusal::Lasting),
            _ => None,
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        if let Some((name, _)) = BARE.iter().find(|(_, code)| code == self) {
            return name;
        }
        match self {
            Code::Capability(_) => "CAPABILITY",
            Code::PermanentFlags { .. } => "PERMANENTFLAGS",
            Code::UidValidity(_) => "UIDVALIDITY",
            Code::UidNext(_) => "UIDNEXT",
            Code::AppendUid { .. } => "APPENDUID",
            Code::CopyUid(_) => "COPYUID",
            Code::HighestModseq(_) => "HIGHESTMODSEQ",
            Code::Modified(_) => "MODIFIED",
            Code::Other(text) => text,
            _ => "",
        }
    }
}

/// Codes whose arguments, if any, nobody needs.
const BARE: [(&str, Code); 31] = [
    ("ALERT", Code::Alert),
    ("BADCHARSET", Code::BadCharset),
    ("READ-ONLY", Code::ReadOnly),
    ("READ-WRITE", Code::ReadWrite),
    ("TRYCREATE", Code::TryCreate),
    ("NOMODSEQ", Code::NoModseq),
    ("CLOSED", Code::Closed),
    ("UIDNOTSTICKY", Code::UidNotSticky),
    ("AUTHENTICATIONFAILED", Code::AuthenticationFailed),
    ("AUTHORIZATIONFAILED", Code::AuthorizationFailed),
    ("EXPIRED", Code::Expired),
    ("PRIVACYREQUIRED", Code::PrivacyRequired),
    ("CONTACTADMIN", Code::ContactAdmin),
    ("NOPERM", Code::NoPermission),
    ("INUSE", Code::InUse),
    ("EXPUNGEISSUED", Code::ExpungeIssued),
    ("CORRUPTION", Code::Corruption),
    ("SERVERBUG", Code::ServerBug),
    ("CLIENTBUG", Code::ClientBug),
    ("CANNOT", Code::Cannot),
    ("LIMIT", Code::Limit),
    ("OVERQUOTA", Code::OverQuota),
    ("ALREADYEXISTS", Code::AlreadyExists),
    ("NONEXISTENT", Code::Nonexistent),
    ("UNAVAILABLE", Code::Unavailable),
    ("COMPRESSIONACTIVE", Code::CompressionActive),
    ("UNKNOWN-CTE", Code::UnknownCte),
    ("NOTSAVED", Code::NotSaved),
    ("HASCHILDREN", Code::HasChildren),
    // As servers wrote it before RFC 5530.
    ("OVER-QUOTA", Code::OverQuota),
    ("QUOTA", Code::OverQuota),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Code {
        Code::parse(text.as_bytes())
    }

    #[test]
    fn codes_with_arguments() {
        assert_eq!(
            parse("uidvalidity 3857529045"),
            Code::UidValidity(3_857_529_045)
        );
        assert_eq!(parse("UIDNEXT 4392 "), Code::UidNext(4392));
        assert_eq!(
            parse("HIGHESTMODSEQ 715194045007"),
            Code::HighestModseq(715_194_045_007)
        );
        let Code::PermanentFlags { flags, may_invent } = parse("PERMANENTFLAGS (\\Deleted x \\*)")
        else {
            panic!();
        };
        assert_eq!((flags.len(), may_invent), (2, true));
        // RFC 4315 section 3 and RFC 7162 section 3.1.3.
        let appended = parse("APPENDUID 38505 3955");
        assert_eq!(
            appended,
            Code::AppendUid {
                validity: 38505,
                uid: 3955
            }
        );
        assert_eq!(
            parse("MODIFIED 7,9"),
            Code::Modified(UidSet::parse("7,9").unwrap())
        );
        let Code::CopyUid(copied) = parse("COPYUID 38505 304,319:320 3956:3958") else {
            panic!();
        };
        let pairs: Vec<_> = copied.pairs().collect();
        assert_eq!(pairs, [(304, 3956), (319, 3957), (320, 3958)]);
        let Code::CopyUid(copied) = parse("COPYUID 1 9,4 1:2") else {
            panic!();
        };
        assert_eq!(copied.pairs().collect::<Vec<_>>(), [(9, 1), (4, 2)]);
    }

    #[test]
    fn what_is_broken_stays_text() {
        for text in [
            "UIDVALIDITY 0",
            "UIDNEXT 4294967296",
            "UIDNEXT -1",
            "UIDNEXT",
            "COPYUID 1 1:3 1:2",
            "COPYUID 1 1:4294967295",
            "APPENDUID 1",
            "HIGHESTMODSEQ x",
            "X-ODD 1",
            "REFERRAL imap://elsewhere/",
            "",
        ] {
            assert_eq!(parse(text), Code::Other(text.to_owned()));
        }
        assert_eq!(Code::parse(b"\x1b[2J"), Code::Other("\\x1b[2J".to_owned()));
    }

    #[test]
    fn each_has_its_name_and_kind() {
        for (name, code) in BARE.iter().take(29) {
            assert_eq!(&parse(name), code);
            assert_eq!(code.as_str(), *name);
        }
        assert_eq!(parse("UNAVAILABLE").refusal(), Some(Refusal::Transient));
        assert_eq!(
            parse("authenticationfailed").refusal(),
            Some(Refusal::Credentials)
        );
        assert_eq!(parse("OVERQUOTA").refusal(), Some(Refusal::Lasting));
        assert_eq!(parse("ALERT").refusal(), None);
    }

    #[test]
    fn codes_end_at_their_bracket() {
        let text = |text: &'static str| split(text.as_bytes());
        assert_eq!(text("[ALERT] a [b]"), (Some(&b"ALERT"[..]), &b"a [b]"[..]));
        assert_eq!(text("[X \"]\" y]z"), (Some(&b"X \"]\" y"[..]), &b"z"[..]));
        assert_eq!(text("[X \"] y"), (Some(&b"X \""[..]), &b"y"[..]));
        assert_eq!(text("[X y"), (None, &b"[X y"[..]));
        assert_eq!(text("x [y]"), (None, &b"x [y]"[..]));
    }
}
