//! The flags of a message (RFC 9051 section 2.3.2).

use std::collections::BTreeSet;
use std::fmt;

/// A set of flags and keywords, as `\Seen` and `$Junk`. Case makes no difference; the flags that
/// every server knows are told as the RFC writes them, and others as they were first set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(BTreeSet<String>);

/// The flags that every mailbox knows.
pub(crate) const SYSTEM: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];

impl Flags {
    /// Whether the flag is set.
    pub fn contains(&self, flag: &str) -> bool {
        self.0.iter().any(|one| one.eq_ignore_ascii_case(flag))
    }

    /// Sets a flag. Returns whether it was not set before.
    pub fn insert(&mut self, flag: &str) -> bool {
        if self.contains(flag) {
            return false;
        }
        let mut known = SYSTEM.iter();
        let known = known.find(|known| known.eq_ignore_ascii_case(flag));
        self.0.insert((*known.unwrap_or(&flag)).to_owned())
    }

    /// Takes a flag away. Returns whether it was set.
    pub fn remove(&mut self, flag: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|one| !one.eq_ignore_ascii_case(flag));
        self.0.len() < before
    }

    /// Sets all of these as well.
    pub fn extend(&mut self, others: &Flags) {
        for flag in others.iter() {
            self.insert(flag);
        }
    }

    /// Takes all of these away.
    pub fn take(&mut self, others: &Flags) {
        self.0.retain(|one| !others.contains(one));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The flags, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S: AsRef<str>> FromIterator<S> for Flags {
    fn from_iter<I: IntoIterator<Item = S>>(flags: I) -> Flags {
        let mut all = Flags::default();
        for flag in flags {
            all.insert(flag.as_ref());
        }
        all
    }
}

/// The flags with spaces between them.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<&str> = self.iter().collect();
        f.write_str(&flags.join(" "))
    }
}
