//! LIST with its extensions (RFC 5258, RFC 5819, RFC 6154), and LSUB (RFC 3501 section 6.3.9).

use std::collections::BTreeSet;

use super::conversation::{Conversation, Result};
use super::rule::Event;
use super::syntax::{Arguments, Parsed};
use crate::mailbox::{canonical, Account, Mailboxes, DELIMITER};

/// What LIST is asked for.
#[derive(Default)]
struct Wish {
    subscribed: bool,
    recursive: bool,
    special: bool,
    patterns: Vec<String>,
    /// Of what it returns.
    returns: BTreeSet<String>,
    status: Vec<String>,
    is_extended: bool,
}

impl Conversation<'_> {
    pub fn list(&mut self, account: &Account, arguments: &mut Arguments<'_>) -> Result {
        let wish = self.wish(arguments);
        let wish = self.checked(wish)?;
        self.no_arguments(arguments)?;
        if wish.is_extended && !self.server.has("LIST-EXTENDED") {
            return Err(self.wrong("LIST-EXTENDED is not offered"));
        }
        let patterns: Vec<&str> = wish.patterns.iter().map(String::as_str).collect();
        self.consult(Event::List, &patterns)?;
        if let [pattern] = wish.patterns.as_slice() {
            if pattern.is_empty() {
                // RFC 9051 section 6.3.9: the delimiter is asked for.
                return Ok(self.say("* LIST (\\Noselect) \"/\" \"\"")?);
            }
        }
        let listed = account.read(|mailboxes| self.listed(mailboxes, &wish));
        for (name, line, has_status) in listed {
            self.say(&line)?;
            if has_status && !wish.status.is_empty() {
                self.say_status(account, &name, &wish.status)?;
            }
        }
        Ok(())
    }

    /// `[(selection)] reference pattern [RETURN (options)]`
    fn wish(&self, arguments: &mut Arguments<'_>) -> Parsed<Wish> {
        let mut wish = Wish::default();
        arguments.space()?;
        if arguments.is_at(b'(') {
            wish.is_extended = true;
            for option in arguments.list(Arguments::keyword)? {
                match option.as_str() {
                    "SUBSCRIBED" => wish.subscribed = true,
                    "RECURSIVEMATCH" => wish.recursive = true,
                    "REMOTE" => {}
                    "SPECIAL-USE" if self.server.has("SPECIAL-USE") => wish.special = true,
                    _ => return Err(format!("there is no selection by {option}")),
                }
            }
            if wish.recursive && !wish.subscribed {
                return Err("RECURSIVEMATCH needs another selection".to_owned());
            }
            arguments.space()?;
        }
        let reference = arguments.mailbox_or_empty()?;
        arguments.space()?;
        wish.patterns = match arguments.is_at(b'(') {
            true => {
                wish.is_extended = true;
                arguments.list(Arguments::pattern)?
            }
            false => vec![arguments.pattern()?],
        };
        for pattern in wish
            .patterns
            .iter_mut()
            .filter(|pattern| !pattern.is_empty())
        {
            *pattern = canonical(&format!("{reference}{pattern}"));
        }
        if arguments.eat_word(" RETURN ") {
            wish.is_extended = true;
            self.returns(arguments, &mut wish)?;
        }
        Ok(wish)
    }

    fn returns(&self, arguments: &mut Arguments<'_>, wish: &mut Wish) -> Parsed<()> {
        arguments.list(|arguments| {
            let option = arguments.keyword()?;
            match option.as_str() {
                "SUBSCRIBED" | "CHILDREN" => {}
                "SPECIAL-USE" if self.server.has("SPECIAL-USE") => {}
                "STATUS" if self.server.has("LIST-STATUS") => {
                    arguments.space()?;
                    wish.status = self.status_items(arguments)?;
                }
                _ => return Err(format!("{option} cannot be returned")),
            }
            wish.returns.insert(option);
            Ok(())
        })?;
        Ok(())
    }

    /// What is listed: each name, its line, and whether it has a status.
    fn listed(&self, mailboxes: &Mailboxes, wish: &Wish) -> Vec<(String, String, bool)> {
        let subscribed: BTreeSet<&str> = mailboxes.subscribed().collect();
        let candidates: BTreeSet<&str> = match wish.subscribed {
            true => subscribed
                .iter()
                .flat_map(|name| with_parents(name))
                .collect(),
            false => mailboxes.names().flat_map(with_parents).collect(),
        };
        let mut listed = Vec::new();
        for name in candidates {
            let fits = wish.patterns.iter().any(|pattern| matches(pattern, name));
            let is_subscribed = subscribed.contains(name);
            let below = format!("{name}{DELIMITER}");
            let child_is_subscribed = subscribed.iter().any(|one| one.starts_with(&below));
            let is_chosen =
                !wish.subscribed || is_subscribed || (wish.recursive && child_is_subscribed);
            let use_of = special_use(name).filter(|_| self.server.has("SPECIAL-USE"));
            if !fits || !is_chosen || (wish.special && use_of.is_none()) {
                continue;
            }
            // RFC 5258 section 4: who asks for them gets them, whatever is offered.
            let has_children = self.server.has("CHILDREN") || wish.returns.contains("CHILDREN");
            let mut all = attributes(mailboxes, name, has_children);
            all.extend(use_of.map(str::to_owned));
            if is_subscribed && (wish.subscribed || wish.returns.contains("SUBSCRIBED")) {
                all.push("\\Subscribed".to_owned());
            }
            let told = self.told_name(name);
            let mut line = format!("* LIST ({}) \"/\" {told}", all.join(" "));
            if wish.recursive && child_is_subscribed {
                line.push_str(" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
            }
            listed.push((name.to_owned(), line, mailboxes.get(name).is_some()));
        }
        listed
    }

    pub fn lsub(&mut self, account: &Account, arguments: &mut Arguments<'_>) -> Result {
        self.checked(arguments.space())?;
        let reference = arguments.mailbox_or_empty();
        let reference = self.checked(reference)?;
        self.checked(arguments.space())?;
        let pattern = arguments.pattern();
        let pattern = canonical(&format!("{reference}{}", self.checked(pattern)?));
        self.no_arguments(arguments)?;
        self.consult(Event::Lsub, &[&pattern])?;
        let names: Vec<String> = account.read(|mailboxes| {
            let names = mailboxes
                .subscribed()
                .filter(|name| matches(&pattern, name));
            names.map(str::to_owned).collect()
        });
        for name in names {
            let told = self.told_name(&name);
            self.say(&format!("* LSUB () \"/\" {told}"))?;
        }
        Ok(())
    }
}

impl Arguments<'_> {
    /// A reference, which is mostly empty.
    fn mailbox_or_empty(&mut self) -> Parsed<String> {
        match self.eat_word("\"\"") {
            true => Ok(String::new()),
            false => self.mailbox(),
        }
    }
}

/// What a mailbox is, as LIST tells it.
pub(super) fn attributes(mailboxes: &Mailboxes, name: &str, with_children: bool) -> Vec<String> {
    let mut all = Vec::new();
    if mailboxes.get(name).is_none() {
        all.push("\\NonExistent".to_owned());
    }
    if with_children {
        let below = format!("{name}{DELIMITER}");
        let has_children = mailboxes.names().any(|one| one.starts_with(&below));
        let attribute = if has_children {
            "\\HasChildren"
        } else {
            "\\HasNoChildren"
        };
        all.push(attribute.to_owned());
    }
    all
}

/// What a mailbox of this name is for (RFC 6154 section 2).
fn special_use(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "archive" => Some("\\Archive"),
        "drafts" => Some("\\Drafts"),
        "junk" | "spam" => Some("\\Junk"),
        "sent" => Some("\\Sent"),
        "trash" => Some("\\Trash"),
        _ => None,
    }
}

/// A name and those above it.
fn with_parents(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices(DELIMITER).map(|(at, _)| at);
    ends.chain([name.len()]).filter_map(|end| name.get(..end))
}

/// `*` stands for anything, `%` for anything within a level.
fn matches(pattern: &str, name: &str) -> bool {
    // Which beginnings of the name the pattern fits so far.
    let letters: Vec<char> = name.chars().collect();
    let mut fits = vec![false; letters.len() + 1];
    if let Some(first) = fits.first_mut() {
        *first = true;
    }
    for wanted in pattern.chars() {
        let mut next = vec![false; fits.len()];
        let mut before = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let here = fits.get(at).copied().unwrap_or(false);
            let last = at.checked_sub(1);
            let letter = last.and_then(|last| letters.get(last));
            let fitted = last
                .and_then(|last| fits.get(last))
                .copied()
                .unwrap_or(false);
            *slot = match wanted {
                '*' => here || before,
                '%' => here || (before && letter != Some(&DELIMITER)),
                _ => fitted && letter == Some(&wanted),
            };
            before = *slot;
        }
        fits = next;
    }
    fits.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_know_levels() {
        for (pattern, name, expected) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("*b*", "a/b/c", true),
            ("a%c", "abbc", true),
            ("a", "ab", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        let hard = "*a".repeat(500);
        assert!(!matches(&hard, &"a".repeat(400)));
    }
}
