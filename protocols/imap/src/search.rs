//! What to look for (RFC 9051 section 6.4.4).

use proto_transport::Result;
use time::Date;

use crate::reply::date::date_text;
use crate::reply::flag::Flag;
use crate::request::{check_raw, Command};
use crate::set::UidSet;

/// What messages must be like. All of what is added must be true of one; nothing is true of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search(Vec<Key>);

/// One thing that is true of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// It has a flag: `\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft` or a keyword.
    Has(Flag),
    /// It does not have a flag.
    Lacks(Flag),
    /// `From` holds this.
    From(String),
    /// `To` holds this.
    To(String),
    /// `Cc` holds this.
    Cc(String),
    /// `Bcc` holds this.
    Bcc(String),
    /// `Subject` holds this.
    Subject(String),
    /// The body holds this.
    Body(String),
    /// Header or body hold this.
    Text(String),
    /// A header field holds this; any such field, where it is empty.
    Header(String, String),
    /// It came before this day.
    Before(Date),
    /// It came on this day.
    On(Date),
    /// It came on this day or later.
    Since(Date),
    /// `Date` is before this day.
    SentBefore(Date),
    /// `Date` is this day.
    SentOn(Date),
    /// `Date` is this day or later.
    SentSince(Date),
    /// It has more octets.
    Larger(u64),
    /// It has fewer octets.
    Smaller(u64),
    /// It is one of these.
    Uid(UidSet),
    /// It changed at this point or later (RFC 7162).
    ModSeq(u64),
    /// This is not true.
    Not(Box<Key>),
    /// One of these is true, or both.
    Or(Box<Key>, Box<Key>),
    /// All of these are true.
    All(Search),
    /// In the words of RFC 9051, as they are: one line of ASCII without literals.
    Raw(String),
}

impl Search {
    /// All messages.
    pub fn all() -> Search {
        Search::default()
    }

    /// Those that are also like this.
    pub fn and(mut self, key: Key) -> Search {
        self.0.push(key);
        self
    }

    /// The UIDs that it is about, and what else must be true of them, where there are more of them
    /// than a line holds.
    pub(crate) fn split_long_set(&self) -> Option<(UidSet, Search)> {
        let is_long = |uids: UidSet| uids.windows(u32::MAX).nth(1).is_some();
        if !self.0.iter().filter_map(Key::uids).any(is_long) {
            return None;
        }
        let (mut uids, mut rest) = (UidSet::from_first(1), Search::all());
        for key in &self.0 {
            match key.uids() {
                Some(these) => uids = uids.intersection(&these),
                None => rest.0.push(key.clone()),
            }
        }
        Some((uids, rest))
    }

    /// Whether it takes more than ASCII to say it.
    fn is_ascii(&self) -> bool {
        self.0.iter().all(Key::is_ascii)
    }

    /// Adds ` CHARSET UTF-8` where that is needed and allowed (RFC 6855 section 3), and the keys.
    pub(crate) fn add_to(&self, command: &mut Command) -> Result<()> {
        if !self.is_ascii() && !command.is_utf8() {
            command.push(" CHARSET UTF-8");
        }
        self.add_keys_to(command)
    }

    /// Adds ` UTF-8` or ` US-ASCII`, which SORT and THREAD want always, and the keys.
    pub(crate) fn add_with_charset_to(&self, command: &mut Command) -> Result<()> {
        command.push(if self.is_ascii() {
            " US-ASCII"
        } else {
            " UTF-8"
        });
        self.add_keys_to(command)
    }

    fn add_keys_to(&self, command: &mut Command) -> Result<()> {
        if self.0.is_empty() {
            command.push(" ALL");
        }
        for key in &self.0 {
            command.push(" ");
            key.add_to(command)?;
        }
        Ok(())
    }
}

impl FromIterator<Key> for Search {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Search {
        Search(keys.into_iter().collect())
    }
}

impl Key {
    /// In the words of RFC 9051: one line of ASCII that does not end in a literal.
    pub fn raw(text: &str) -> Result<Key> {
        check_raw(text)?;
        Ok(Key::Raw(text.to_owned()))
    }

    /// The messages that it is true of, where its words alone say which.
    fn uids(&self) -> Option<UidSet> {
        match self {
            Key::Uid(uids) => Some(uids.clone()),
            Key::Not(key) => match &**key {
                Key::Uid(uids) => Some(UidSet::from_first(1).without(uids)),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_ascii(&self) -> bool {
        match self {
            Key::From(text)
            | Key::To(text)
            | Key::Cc(text)
            | Key::Bcc(text)
            | Key::Subject(text)
            | Key::Body(text)
            | Key::Text(text) => text.is_ascii(),
            Key::Header(name, text) => name.is_ascii() && text.is_ascii(),
            Key::Not(key) => key.is_ascii(),
            Key::Or(one, other) => one.is_ascii() && other.is_ascii(),
            Key::All(search) => search.is_ascii(),
            _ => true,
        }
    }

    fn add_to(&self, command: &mut Command) -> Result<()> {
        let mut string = |name: &str, text: &str| {
            command.push(name);
            command.push(" ");
            command.push_string(text.as_bytes())
        };
        match self {
            Key::From(text) => return string("FROM", text),
            Key::To(text) => return string("TO", text),
            Key::Cc(text) => return string("CC", text),
            Key::Bcc(text) => return string("BCC", text),
            Key::Subject(text) => return string("SUBJECT", text),
            Key::Body(text) => return string("BODY", text),
            Key::Text(text) => return string("TEXT", text),
            Key::Header(name, text) => {
                string("HEADER", name)?;
                return string("", text);
            }
            Key::Has(flag) => flag_key(command, flag, "", "KEYWORD")?,
            Key::Lacks(flag) => flag_key(command, flag, "UN", "UNKEYWORD")?,
            Key::Before(date) => command.push(&format!("BEFORE {}", date_text(*date))),
            Key::On(date) => command.push(&format!("ON {}", date_text(*date))),
            Key::Since(date) => command.push(&format!("SINCE {}", date_text(*date))),
            Key::SentBefore(date) => command.push(&format!("SENTBEFORE {}", date_text(*date))),
            Key::SentOn(date) => command.push(&format!("SENTON {}", date_text(*date))),
            Key::SentSince(date) => command.push(&format!("SENTSINCE {}", date_text(*date))),
            Key::Larger(size) => command.push(&format!("LARGER {size}")),
            Key::Smaller(size) => command.push(&format!("SMALLER {size}")),
            // No message has the UID of an empty set, and an empty set cannot be said.
            Key::Uid(uids) if uids.is_empty() => command.push("NOT ALL"),
            Key::Uid(uids) => command.push(&format!("UID {uids}")),
            Key::ModSeq(modseq) => command.push(&format!("MODSEQ {modseq}")),
            Key::Not(key) => {
                command.push("NOT ");
                key.add_to(command)?;
            }
            Key::Or(one, other) => {
                command.push("OR ");
                one.add_to(command)?;
                command.push(" ");
                other.add_to(command)?;
            }
            Key::All(search) => {
                // A group holds at least one key.
                let mut group = Command::new("(", command.is_utf8());
                search.add_keys_to(&mut group)?;
                group.push(")");
                append(command, group);
            }
            Key::Raw(text) => {
                check_raw(text)?;
                command.push(text);
            }
        }
        Ok(())
    }
}

/// Appends the lines of a group, without the space behind its parenthesis.
fn append(command: &mut Command, mut group: Command) {
    let first = match group.complete.first_mut() {
        Some((line, _)) => &mut line.text,
        None => &mut group.last.text,
    };
    if let Some(rest) = first.strip_prefix(b"( ") {
        *first = [b"(", rest].concat();
    }
    if group.complete.is_empty() {
        command.last.text.extend_from_slice(&group.last.text);
        return;
    }
    for (index, (line, size)) in group.complete.into_iter().enumerate() {
        let mut whole = line;
        if index == 0 {
            let start = std::mem::take(&mut command.last.text);
            whole.text = [start, whole.text].concat();
        }
        command.complete.push((whole, size));
    }
    command.last = group.last;
}

/// `SEEN`, `UNSEEN`, … for the flags of the system, `KEYWORD` for others.
fn flag_key(command: &mut Command, flag: &Flag, not: &str, keyword: &str) -> Result<()> {
    let name = flag.check()?;
    match name.strip_prefix('\\') {
        Some(system) => command.push(&format!("{not}{}", system.to_ascii_uppercase())),
        None => command.push(&format!("{keyword} {name}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Month;

    fn shown(search: &Search, is_utf8: bool) -> String {
        let mut command = Command::new("SEARCH", is_utf8);
        search.add_to(&mut command).unwrap();
        let mut all = String::new();
        for (line, size) in &command.complete {
            all.push_str(&format!(
                "{}{{{size}}}|",
                String::from_utf8_lossy(&line.text)
            ));
        }
        all + &String::from_utf8_lossy(&command.last.text)
    }

    #[test]
    fn searches_on_the_wire() {
        let flag = |name| Flag::new(name).unwrap();
        let day = Date::from_calendar_date(1994, Month::February, 1).unwrap();
        // RFC 9051 section 6.4.4.
        let search = Search::all()
            .and(Key::Has(flag("\\Flagged")))
            .and(Key::Since(day))
            .and(Key::Not(Box::new(Key::From("Smith".into()))));
        assert_eq!(
            shown(&search, false),
            "SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""
        );
        assert_eq!(shown(&Search::all(), false), "SEARCH ALL");
        let text = Search::all().and(Key::Text("мать".into()));
        assert_eq!(shown(&text, false), "SEARCH CHARSET UTF-8 TEXT {8}|мать");
        assert_eq!(shown(&text, true), "SEARCH TEXT \"мать\"");
        let either = Key::Or(
            Box::new(Key::All(
                Search::all()
                    .and(Key::Subject("ä".into()))
                    .and(Key::Larger(5)),
            )),
            Box::new(Key::Lacks(flag("$Junk"))),
        );
        let search = Search::all().and(Key::Smaller(9)).and(either);
        assert_eq!(
            shown(&search, false),
            "SEARCH CHARSET UTF-8 SMALLER 9 OR (SUBJECT {2}|ä LARGER 5) UNKEYWORD $Junk"
        );
        let header = Search::all().and(Key::Header("X-A".into(), String::new()));
        assert_eq!(shown(&header, false), "SEARCH HEADER \"X-A\" \"\"");
        let group = Search::all()
            .and(Key::All(Search::all()))
            .and(Key::Uid(UidSet::default()));
        assert_eq!(shown(&group, false), "SEARCH (ALL) NOT ALL");
    }

    #[test]
    fn nothing_escapes_its_argument() {
        for key in [
            Key::From("a\r\nb".into()),
            Key::Header("a\0".into(), String::new()),
            Key::Raw("SUBJECT {3}".into()),
            Key::Raw("ALL\r\nx LOGOUT".into()),
        ] {
            let mut command = Command::new("SEARCH", false);
            assert!(Search::all().and(key).add_to(&mut command).is_err());
        }
        let quoted = Search::all().and(Key::Subject("\" {3}".into()));
        assert_eq!(shown(&quoted, false), "SEARCH SUBJECT \"\\\" {3}\"");
    }
}
