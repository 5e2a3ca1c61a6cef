//! Passwords from a `.netrc` file, by exact host and login.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto_transport::{Error, Result, Secret};

/// The entries of a `.netrc` file.
pub struct Netrc {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Entry {
    /// `None` for the entry `default`.
    machine: Option<String>,
    login: String,
    password: String,
}

/// Far more than anybody's file holds.
const LARGEST: u64 = 1024 * 1024;

impl Netrc {
    /// The user's own file: `$NETRC`, else `.netrc` in the home folder.
    pub fn path() -> Option<PathBuf> {
        std::env::var_os("NETRC")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".netrc")))
    }

    /// Reads a file that nobody but its owner may read.
    pub fn read(path: &Path) -> Result<Netrc> {
        let doing = || format!("reading {}", path.display());
        let metadata = fs::metadata(path).map_err(|error| Error::io(doing(), error))?;
        check(path, &metadata)?;
        let text = fs::read_to_string(path).map_err(|error| Error::io(doing(), error))?;
        Ok(Netrc {
            entries: parse(&text),
        })
    }

    /// Whether a host has an entry of its own.
    pub fn names(&self, host: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.machine.as_deref() == Some(host))
    }

    /// The login and password for a host: of the login that was asked for, or of the first that the
    /// file names. `default` serves only hosts that have no entry at all.
    pub fn find(&self, host: &str, login: Option<&str>) -> Option<(String, Secret)> {
        let machine = self.names(host).then_some(host);
        let entries = self.entries.iter();
        let mut entries = entries.filter(|entry| entry.machine.as_deref() == machine);
        let found = entries.find(|entry| login.is_none_or(|login| login == entry.login));
        found.map(|entry| (entry.login.clone(), Secret::from(entry.password.as_str())))
    }
}

fn check(path: &Path, metadata: &Metadata) -> Result<()> {
    let path = path.display();
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::illegal(format!(
            "{path} holds passwords but others may read it; chmod 600 {path}"
        )));
    }
    if metadata.len() > LARGEST {
        return Err(Error::illegal(format!(
            "{path} is too large to be a .netrc file"
        )));
    }
    Ok(())
}

fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" => entries.push(Entry {
                machine: Some(words.next().unwrap_or_default().to_ascii_lowercase()),
                ..Entry::default()
            }),
            "default" => entries.push(Entry::default()),
            "login" | "password" | "account" => {
                let value = words.next().unwrap_or_default();
                match (entries.last_mut(), word.as_str()) {
                    (Some(entry), "login") => entry.login = value,
                    (Some(entry), "password") => entry.password = value,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    entries
}

/// The words of the file: comments and macros left out, quotation marks undone.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        let line = line.trim();
        // A macro lasts until an empty line.
        in_macro &= !line.is_empty();
        if in_macro || line.starts_with('#') {
            continue;
        }
        let mut rest = line;
        while let Some((word, after)) = next_word(rest) {
            rest = after;
            if word == "macdef" {
                in_macro = true;
                break;
            }
            words.push(word);
        }
    }
    words
}

fn next_word(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return (!word.is_empty()).then(|| (word.to_owned(), rest));
    };
    let mut word = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((word, quoted.get(at + 1..).unwrap_or_default())),
            '\\' => word.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => word.push(character),
        }
    }
    Some((word, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const TEXT: &str = r#"# a comment machine evil login evil password evil
machine Example.com login fred password first
machine example.com
  login anna
  password "two \"words\""
macdef init
machine macro.example login m password m

machine empty.example
default login anonymous password guest
"#;

    fn found(host: &str, login: Option<&str>) -> Option<String> {
        let netrc = Netrc {
            entries: parse(TEXT),
        };
        let (login, password) = netrc.find(host, login)?;
        Some(format!("{login}:{}", password.reveal()))
    }

    #[test]
    fn host_and_login_must_match() {
        assert_eq!(found("example.com", None).unwrap(), "fred:first");
        assert_eq!(
            found("example.com", Some("anna")).unwrap(),
            "anna:two \"words\""
        );
        assert_eq!(found("example.com", Some("bob")), None);
        assert_eq!(found("www.example.com", Some("fred")), None);
        assert_eq!(found("macro.example", Some("m")), None);
        assert_eq!(found("evil", Some("evil")), None);
    }

    #[test]
    fn the_default_serves_only_hosts_without_an_entry() {
        assert_eq!(found("other.example", None).unwrap(), "anonymous:guest");
        assert_eq!(found("empty.example", None).unwrap(), ":");
        assert_eq!(found("example.com", Some("anonymous")), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("netrc");
        fs::write(&path, TEXT).unwrap();
        for (mode, allowed) in [(0o644, false), (0o640, false), (0o600, true), (0o400, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Netrc::read(&path).is_ok(), allowed, "{mode:o}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_is_too_strange(text: String) {
            parse(&text);
        }
    }
}
