//! What to look for in a mailbox, in words of the command line.
//!
//! ```text
//! terms = term *(["or"] term)         all must be true; "or" binds the two beside it more closely
//! term  = ["not:" / "-"] ( name / name ":" value )
//! ```

use proto_imap::{Flag, Key, Search, UidSet};
use proto_transport::{Error, Result};
use time::macros::format_description;
use time::Date;

use crate::units::size;

/// What the help of a command says of its terms.
pub const TERMS_HELP: &str = "\
Terms, all of which must be true of a message:
  from:WHO to:WHO cc:WHO bcc:WHO      the field holds this, in any case
  subject:WORDS body:WORDS text:WORDS the subject, the body, or anything holds this
  header:NAME=WORDS                   the field NAME holds this; header:NAME: it is there
  since:DATE before:DATE on:DATE      when it came, such as since:2024-01-31 (that day or later)
  sentsince: sentbefore: senton:      the same for its Date
  larger:SIZE smaller:SIZE            in octets, such as larger:1M
  seen answered flagged deleted draft it is marked so; unseen unanswered ... it is not
  keyword:NAME                        it has this keyword
  uid:1,3,5-9                         it is one of these
  modseq:NUMBER                       it changed at this point or later (CONDSTORE)
  all                                 every message
not:TERM (or -TERM, behind --) turns a term round.
The word or between two terms takes either, before all else; it is a word of its own: seen or draft.
Words with spaces are quoted for the shell: 'subject:two words'.";

/// What `terms` look for, and `raw`, in the words of RFC 9051, as well. Nothing at all looks for
/// every message.
pub fn search(terms: &[String], raw: Option<&str>) -> Result<Search> {
    // Only at the beginning it may name a charset.
    let mut keys: Vec<Key> = raw.map(Key::raw).transpose()?.into_iter().collect();
    let mut words = terms.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let mut key = term(word)?;
        while words.next_if(|word| is_or(word)).is_some() {
            let other = words.next().filter(|word| !is_or(word));
            let other = other.ok_or_else(|| Error::illegal("`or` stands between two terms"))?;
            key = Key::Or(Box::new(key), Box::new(term(other)?));
        }
        keys.push(key);
    }
    Ok(keys.into_iter().collect())
}

fn is_or(word: &str) -> bool {
    word.eq_ignore_ascii_case("or")
}

/// Reads one term.
fn term(word: &str) -> Result<Key> {
    if is_or(word) {
        return Err(Error::illegal("`or` stands between two terms"));
    }
    // As often as somebody likes, but not as deep.
    let (mut rest, mut is_negated) = (word, false);
    while let Some(inner) = negated(rest) {
        (rest, is_negated) = (inner, !is_negated);
    }
    let key = match rest.split_once(':') {
        Some((name, value)) => with_value(&name.to_ascii_lowercase(), value, rest)?,
        None => bare(rest)?,
    };
    Ok(match is_negated {
        true => Key::Not(Box::new(key)),
        false => key,
    })
}

fn negated(word: &str) -> Option<&str> {
    let not = word.get(..4).filter(|not| not.eq_ignore_ascii_case("not:"));
    match not {
        Some(not) => word.get(not.len()..),
        None => word.strip_prefix('-'),
    }
}

/// Flags that have names of their own.
const FLAGS: [(&str, &str); 5] = [
    ("seen", "\\Seen"),
    ("answered", "\\Answered"),
    ("flagged", "\\Flagged"),
    ("deleted", "\\Deleted"),
    ("draft", "\\Draft"),
];

fn bare(word: &str) -> Result<Key> {
    let lower = word.to_ascii_lowercase();
    if lower == "all" {
        return Ok(Key::All(Search::all()));
    }
    for (name, flag) in FLAGS {
        if lower == name {
            return Ok(Key::Has(Flag::new(flag)?));
        }
        if lower.strip_prefix("un") == Some(name) {
            return Ok(Key::Lacks(Flag::new(flag)?));
        }
    }
    Err(Error::illegal(format!(
        "{word:?} is no term; text:{word} looks for it anywhere in a message, and --help tells which \
         terms there are"
    )))
}

fn with_value(name: &str, value: &str, word: &str) -> Result<Key> {
    if value.is_empty() {
        return Err(Error::illegal(format!("{word:?} lacks what to look for")));
    }
    if value
        .chars()
        .any(|character| matches!(character, '\r' | '\n' | '\0'))
    {
        return Err(Error::illegal(
            "what is looked for cannot hold CR, LF or NUL",
        ));
    }
    let text = || value.to_owned();
    let bytes =
        || size(value).map_err(|error| Error::illegal(format!("{word:?} makes no sense: {error}")));
    Ok(match name {
        "from" => Key::From(text()),
        "to" => Key::To(text()),
        "cc" => Key::Cc(text()),
        "bcc" => Key::Bcc(text()),
        "subject" => Key::Subject(text()),
        "body" => Key::Body(text()),
        "text" => Key::Text(text()),
        "header" => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            Key::Header(field_name(name)?, value.to_owned())
        }
        "since" => Key::Since(date(value)?),
        "before" => Key::Before(date(value)?),
        "on" => Key::On(date(value)?),
        "sentsince" => Key::SentSince(date(value)?),
        "sentbefore" => Key::SentBefore(date(value)?),
        "senton" => Key::SentOn(date(value)?),
        "larger" => Key::Larger(bytes()?),
        "smaller" => Key::Smaller(bytes()?),
        "keyword" => Key::Has(keyword(value)?),
        "uid" => Key::Uid(UidSet::parse(value)?),
        "modseq" => {
            let number = value.parse().ok();
            Key::ModSeq(number.ok_or_else(|| {
                Error::illegal(format!("{word:?} makes no sense: it takes a number"))
            })?)
        }
        _ => {
            return Err(Error::illegal(format!(
                "{word:?} is no term; see --help for those that there are"
            )))
        }
    })
}

/// `field-name = 1*ftext`: printable ASCII without a colon (RFC 5322 section 3.6.8).
fn field_name(name: &str) -> Result<String> {
    let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    match !name.is_empty() && name.bytes().all(is_name) {
        true => Ok(name.to_owned()),
        false => Err(Error::illegal(format!(
            "{name:?} is no name of a header field; the term is written header:NAME=WORDS, such as \
             header:List-Id=rust"
        ))),
    }
}

fn keyword(name: &str) -> Result<Flag> {
    let flag = Flag::new(name)?;
    match FLAGS.iter().any(|(_, known)| flag == **known) || !name.starts_with('\\') {
        true => Ok(flag),
        false => Err(Error::illegal(format!(
            "{name:?} is none of the flags that can be searched for"
        ))),
    }
}

/// A day, as in 2024-01-31.
fn date(text: &str) -> Result<Date> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'-') && text.len() == 10;
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    date.filter(|date| is_plain && date.year() >= 0)
        .ok_or_else(|| Error::illegal(format!("{text:?} is no day; days look like 2024-01-31")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    fn keys(words: &[&str]) -> Result<Search> {
        let terms: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        search(&terms, None)
    }

    fn one(word: &str) -> Key {
        term(word).unwrap()
    }

    fn flag(name: &str) -> Flag {
        Flag::new(name).unwrap()
    }

    #[test]
    fn each_term_is_a_key() {
        for (word, key) in [
            ("from:alice", Key::From("alice".into())),
            ("FROM:a:b", Key::From("a:b".into())),
            ("to:b", Key::To("b".into())),
            ("cc:c", Key::Cc("c".into())),
            ("bcc:d", Key::Bcc("d".into())),
            ("subject:two words", Key::Subject("two words".into())),
            ("body:Grüße", Key::Body("Grüße".into())),
            ("text:or", Key::Text("or".into())),
            (
                "header:X-A=b=c",
                Key::Header("X-A".into(), "b=c".to_owned()),
            ),
            ("header:X-A", Key::Header("X-A".into(), String::new())),
            ("since:2024-02-29", Key::Since(date!(2024 - 02 - 29))),
            ("before:1999-12-31", Key::Before(date!(1999 - 12 - 31))),
            ("on:2024-01-01", Key::On(date!(2024 - 01 - 01))),
            (
                "sentsince:2024-01-01",
                Key::SentSince(date!(2024 - 01 - 01)),
            ),
            (
                "sentbefore:2024-01-01",
                Key::SentBefore(date!(2024 - 01 - 01)),
            ),
            ("senton:2024-01-01", Key::SentOn(date!(2024 - 01 - 01))),
            ("larger:1M", Key::Larger(1 << 20)),
            ("smaller:10", Key::Smaller(10)),
            ("seen", Key::Has(flag("\\Seen"))),
            ("UnAnswered", Key::Lacks(flag("\\Answered"))),
            ("undraft", Key::Lacks(flag("\\Draft"))),
            ("keyword:$Junk", Key::Has(flag("$Junk"))),
            ("uid:1,3,5-9", Key::Uid(UidSet::parse("1,3,5:9").unwrap())),
            ("modseq:7", Key::ModSeq(7)),
            ("all", Key::All(Search::all())),
            ("-seen", Key::Not(Box::new(Key::Has(flag("\\Seen"))))),
            ("not:from:x", Key::Not(Box::new(Key::From("x".into())))),
            ("-not:-from:x", Key::Not(Box::new(Key::From("x".into())))),
            ("not:-from:x", Key::From("x".into())),
        ] {
            assert_eq!(one(word), key, "{word}");
        }
    }

    #[test]
    fn words_are_all_meant_and_or_binds_two() {
        let either = |one: Key, other: Key| Key::Or(Box::new(one), Box::new(other));
        assert_eq!(keys(&[]).unwrap(), Search::all());
        let wanted = Search::all()
            .and(one("seen"))
            .and(either(either(one("from:a"), one("-from:b")), one("to:c")))
            .and(one("draft"));
        let words = ["seen", "from:a", "or", "-from:b", "OR", "to:c", "draft"];
        assert_eq!(keys(&words).unwrap(), wanted);
        let raw = search(&["seen".to_owned()], Some("CHARSET UTF-8 OLD")).unwrap();
        let wanted = Search::all()
            .and(Key::Raw("CHARSET UTF-8 OLD".into()))
            .and(one("seen"));
        assert_eq!(raw, wanted);
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in [
            &["or"][..],
            &["seen", "or"],
            &["or", "seen"],
            &["seen", "or", "or", "seen"],
            &["not:or"],
            &["hello"],
            &[""],
            &["-"],
            &["from:"],
            &["what:x"],
            &["since:yesterday"],
            &["since:2024-02-30"],
            &["since:2024-1-1"],
            &["since:-024-01-01"],
            &["larger:big"],
            &["larger:-1"],
            &["uid:0"],
            &["uid:x"],
            &["keyword:a b"],
            &["keyword:\\Recent"],
            &["modseq:x"],
            &["\u{e4}"],
            &["subject:a\r\nx LOGOUT"],
            &["header:a\0=b"],
            &["header:Subject:audit"],
            &["header:=audit"],
            &["header:two words=audit"],
            &["header:Ü"],
        ] {
            let error = keys(wrong).err();
            assert!(matches!(error, Some(Error::Illegal { .. })), "{wrong:?}");
        }
        let told = |word| keys(&[word]).unwrap_err().to_string();
        assert!(told("hello").contains("text:hello"));
        assert!(told("header:Subject:audit").contains("header:NAME=WORDS"));
    }

    #[test]
    fn many_negations_are_no_depth() {
        let word = format!("{}seen", "not:-".repeat(100_000));
        assert_eq!(one(&word), one("seen"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(words: Vec<String>) {
            let _ = search(&words, None);
        }
    }
}
