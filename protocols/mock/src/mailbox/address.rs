//! Whose mailboxes the mail for an address goes to, and which a login opens.
//!
//! ```text
//! nobody is named   b@example.org, B@other.example and b are one user: b
//! b@x is named      b@x and B@X are that user; so is b, where no other b is named
//! b is named        b, b@x and b@y are that user
//! anybody else      the one who gets what nobody else does, if there is one; or nobody
//! ```

use std::collections::BTreeSet;

/// The users of a store whose names are addresses. Case makes no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    users: BTreeSet<String>,
    catch_all: Option<String>,
}

impl Addresses {
    /// These users, by address or by local part; without any, everybody is one, by local part. With
    /// `catch_all`, that user has the mail of all who are not named.
    pub fn new<S: AsRef<str>>(
        users: impl IntoIterator<Item = S>,
        catch_all: Option<&str>,
    ) -> Addresses {
        let users = users.into_iter().map(|user| user.as_ref().to_lowercase());
        Addresses {
            users: users.collect(),
            catch_all: catch_all.map(str::to_lowercase),
        }
    }

    /// Those who are named.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        let catch_all = self.catch_all.iter();
        self.users.iter().chain(catch_all).map(String::as_str)
    }

    /// The user that an address, or a name at login, means.
    pub fn user_of(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let local_part = local_part(&name);
        if let Some(user) = [name.as_str(), local_part]
            .into_iter()
            .find(|user| self.users.contains(*user))
        {
            return Some(user.to_owned());
        }
        if local_part == name {
            if let Some(user) = self.only(&name) {
                return Some(user.to_owned());
            }
        }
        match (&self.catch_all, self.users.is_empty()) {
            (Some(user), _) => Some(user.clone()),
            (None, true) => Some(local_part.to_owned()),
            (None, false) => None,
        }
    }

    /// The user with this local part, if there is one alone.
    fn only(&self, name: &str) -> Option<&str> {
        let mut same = self.users.iter().filter(|user| local_part(user) == name);
        same.next()
            .filter(|_| same.next().is_none())
            .map(String::as_str)
    }
}

/// What stands before the domain, if there is a domain.
fn local_part(address: &str) -> &str {
    match address.rsplit_once('@') {
        Some((local_part, _)) if !local_part.is_empty() => local_part,
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, and the user that it means.
    type Meant<'m> = (&'m str, Option<&'m str>);

    #[test]
    fn addresses_and_logins_meet() {
        let table: &[(&[&str], Option<&str>, &[Meant])] = &[
            (
                &[],
                None,
                &[
                    ("b", Some("b")),
                    ("B@example.org", Some("b")),
                    ("\"a@b\"@c", Some("\"a@b\"")),
                    ("@", Some("@")),
                ],
            ),
            (
                &["b@x", "c@x", "C@y"],
                None,
                &[
                    ("B@X", Some("b@x")),
                    ("b", Some("b@x")),
                    ("b@y", None),
                    ("c", None),
                    ("c@y", Some("c@y")),
                ],
            ),
            (
                &["b"],
                None,
                &[("b@x", Some("b")), ("b", Some("b")), ("d", None)],
            ),
            (
                &["b"],
                Some("All"),
                &[("b@x", Some("b")), ("d@x", Some("all"))],
            ),
            (
                &[],
                Some("all"),
                &[("b@x", Some("all")), ("b", Some("all"))],
            ),
        ];
        for (users, catch_all, expected) in table {
            let addresses = Addresses::new(*users, *catch_all);
            for (name, user) in *expected {
                assert_eq!(
                    addresses.user_of(name).as_deref(),
                    *user,
                    "{users:?} {name}"
                );
            }
        }
    }
}
