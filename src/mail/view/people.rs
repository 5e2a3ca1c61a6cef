//! The people in From, To and Cc, for programs.

use serde::Serialize;

use super::words;
use crate::mail::addresses::{parse, Address, Mailbox};

/// Somebody.
#[derive(Debug, Serialize, PartialEq)]
pub struct Person {
    /// The name, decoded.
    pub name: Option<String>,
    /// The address as it was written; empty if there is none.
    pub address: String,
}

/// The people in a list. One that keeps to no grammar is cut at its commas and brackets.
pub fn people(list: &str) -> Vec<Person> {
    let Ok(list) = parse(list) else {
        return pieces(list).into_iter().map(guessed).collect();
    };
    let mut people = Vec::new();
    for address in list {
        match address {
            Address::Mailbox(mailbox) => people.push(person(mailbox)),
            Address::Group(_, members) => people.extend(members.into_iter().map(person)),
        }
    }
    people
}

fn person(mailbox: Mailbox<'_>) -> Person {
    Person {
        name: mailbox.name.map(|name| words::decoded(&name).0),
        address: mailbox.address.to_owned(),
    }
}

/// A list cut at the commas that are neither in quotes nor in brackets.
fn pieces(list: &str) -> Vec<&str> {
    let (mut in_quotes, mut in_brackets) = (false, false);
    let is_comma = |character: char| {
        match character {
            '"' => in_quotes = !in_quotes,
            '<' if !in_quotes => in_brackets = true,
            '>' if !in_quotes => in_brackets = false,
            _ => {}
        }
        character == ',' && !in_quotes && !in_brackets
    };
    let pieces = list.split(is_comma).map(str::trim);
    pieces.filter(|piece| !piece.is_empty()).collect()
}

fn guessed(piece: &str) -> Person {
    let (name, address) = match piece.rsplit_once('<') {
        Some((name, address)) => (name, address.split('>').next().unwrap_or_default()),
        None if piece.contains('@') => ("", piece),
        None => (piece, ""),
    };
    let name = words::decoded(name.trim().trim_matches('"')).0;
    Person {
        name: Some(name).filter(|name| !name.is_empty()),
        address: address.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        for (list, wanted) in [
            ("", &[][..]),
            ("a@x", &[("", "a@x")]),
            (
                "Ann <a@x>, \"B, C\" <b@x>",
                &[("Ann", "a@x"), ("B, C", "b@x")],
            ),
            (
                "=?utf-8?Q?J=C3=B6rg=2C?= =?utf-8?Q?_K?= <j@x>",
                &[("Jörg, K", "j@x")],
            ),
            ("Friends: a@x, b@x;", &[("", "a@x"), ("", "b@x")]),
            ("undisclosed-recipients:;", &[]),
            // What keeps to no grammar.
            (
                "J. (x <a@x>, \"b, c\" <b@x",
                &[("J. (x", "a@x"), ("b, c", "b@x")],
            ),
            ("a b@x, nobody", &[("", "a b@x"), ("nobody", "")]),
        ] {
            let got = people(list);
            let got: Vec<_> = got
                .iter()
                .map(|one| {
                    (
                        one.name.as_deref().unwrap_or_default(),
                        one.address.as_str(),
                    )
                })
                .collect();
            assert_eq!(got, wanted, "{list}");
        }
    }
}
