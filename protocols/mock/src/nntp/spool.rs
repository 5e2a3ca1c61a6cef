//! The groups and their articles.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::article::{field, Article};
use super::generated;
use super::time;
use super::wildmat::Wildmat;
use crate::stop::locked;

/// Groups and articles, which every client of a server sees alike.
#[derive(Default)]
pub struct Spool(Mutex<State>);

#[derive(Default)]
struct State {
    groups: BTreeMap<String, Group>,
    by_id: HashMap<String, Arc<Article>>,
    octets: usize,
}

struct Group {
    description: String,
    status: char,
    created: i64,
    /// How many articles are made when they are read, and of how many octets.
    generated: (u64, u64),
    kept: BTreeMap<u64, Arc<Article>>,
}

/// What is told of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// `y`, `n` or `m`, as in LIST ACTIVE (RFC 3977 section 7.6.3).
    pub status: char,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The lowest number of an article.
    pub low: u64,
    /// The highest, which is one less than the lowest where there is none.
    pub high: u64,
    /// How many articles there are.
    pub count: u64,
}

/// Why an article is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Duplicate,
    NoGroup,
    Closed,
    Full,
}

/// How much all articles may hold together that are not generated.
const OCTETS: usize = 1024 * 1024 * 1024;

/// The longest name of a group that a command can carry.
const NAME: usize = 497;

/// The highest number an article can have at first: RFC 3977 section 9.8 writes it in 16 digits, and
/// what is posted comes behind it.
const HIGHEST: u64 = 999_999_999_999_999;

/// Whether a group may have this name (RFC 3977 section 9.8: no blanks, no wildcards; RFC 5536
/// section 3.1.4 leaves fewer characters, which some servers do not heed).
pub(super) fn is_name(name: &str) -> bool {
    let is_wrong = |c: char| c <= ' ' || c == '\x7f' || "!*,?[\\]".contains(c);
    !name.is_empty() && name.len() <= NAME && !name.contains(is_wrong)
}

impl Spool {
    /// Makes a group without articles, or changes the description and status of one that is there.
    /// False if the name is none.
    pub fn create(&self, name: &str, status: char, description: &str) -> bool {
        if !is_name(name) {
            return false;
        }
        let mut state = locked(&self.0);
        let group = state.group(name);
        group.status = status;
        group.description = description.to_owned();
        true
    }

    /// Makes a group whose first `count` articles have `size` octets each, or as many as they need
    /// at least, and are made when they are read. False if the name is none or is taken, or if there
    /// are more than article numbers have room for.
    pub fn generate(&self, name: &str, count: u64, size: u64) -> bool {
        let mut state = locked(&self.0);
        let is_free = !state.groups.contains_key(name);
        let is_right = is_name(name) && is_free && count <= HIGHEST;
        if is_right {
            let group = state.group(name);
            group.generated = (count, size);
            group.description = "Generated articles".to_owned();
        }
        is_right
    }

    /// Reads the articles of a folder: each folder in it is a group, and each file in that whose
    /// name is a number, or ends in `.eml`, is an article. Those with numbers have these numbers,
    /// the others follow in the order of their names. How many there were.
    pub fn load(&self, folder: &Path) -> io::Result<usize> {
        let mut count = 0;
        for (name, path) in entries(folder)? {
            if path.is_dir() && is_name(&name) {
                self.create(&name, 'y', "");
                count += self.load_group(&name, &path)?;
            }
        }
        Ok(count)
    }

    fn load_group(&self, group: &str, folder: &Path) -> io::Result<usize> {
        let mut numbered = Vec::new();
        let mut others = Vec::new();
        for (name, path) in entries(folder)? {
            match name.parse::<u64>() {
                Ok(number) if (1..=HIGHEST).contains(&number) => numbered.push((number, path)),
                _ if name.ends_with(".eml") => others.push(path),
                _ => {}
            }
        }
        let highest = numbered.iter().map(|(number, _)| *number).max();
        numbered.extend((highest.unwrap_or(0) + 1..).zip(others));
        for (number, path) in &numbered {
            let content = fs::read(path)?;
            let (header, body) = canonical(&content);
            let id = field(&header, "message-id").and_then(|id| String::from_utf8(id).ok());
            let id = id.filter(|id| is_message_id(id));
            let mut header = header;
            let id = id.unwrap_or_else(|| {
                let id = format!("<{number}.{group}@loaded.localhost>");
                header.extend_from_slice(format!("Message-ID: {id}\r\n").as_bytes());
                id
            });
            let places = vec![(group.to_owned(), *number)];
            let article = Article::kept(&id, places, time::now(), &header, &body);
            locked(&self.0).put(Arc::new(article));
        }
        Ok(numbered.len())
    }

    /// Puts an article into its groups, as far as they are here, under the next numbers.
    pub(super) fn file(
        &self,
        message_id: &str,
        groups: &[String],
        header: &[u8],
        body: &[u8],
    ) -> Result<(), Refusal> {
        let mut state = locked(&self.0);
        if state.by_id(message_id).is_some() {
            return Err(Refusal::Duplicate);
        }
        if state.octets + header.len() + body.len() > OCTETS {
            return Err(Refusal::Full);
        }
        let known = groups.iter().filter_map(|name| {
            let group = state.groups.get(name)?;
            Some((name.clone(), group.status, group.summary("").high + 1))
        });
        let known: Vec<(String, char, u64)> = known.collect();
        if known.is_empty() {
            return Err(Refusal::NoGroup);
        }
        let open = known.into_iter().filter(|(_, status, _)| *status != 'n');
        let places: Vec<(String, u64)> = open.map(|(name, _, number)| (name, number)).collect();
        if places.is_empty() {
            return Err(Refusal::Closed);
        }
        let article = Article::kept(message_id, places, time::now(), header, body);
        state.put(Arc::new(article));
        Ok(())
    }

    /// What is told of a group; `None` if there is none of this name.
    pub fn summary(&self, name: &str) -> Option<Summary> {
        let state = locked(&self.0);
        state.groups.get(name).map(|group| group.summary(name))
    }

    /// What is told of all groups, in the order of their names.
    pub fn summaries(&self) -> Vec<Summary> {
        let state = locked(&self.0);
        let groups = state.groups.iter();
        groups.map(|(name, group)| group.summary(name)).collect()
    }

    pub(super) fn at(&self, group: &str, number: u64) -> Option<Arc<Article>> {
        locked(&self.0).groups.get(group)?.at(group, number)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Article>> {
        locked(&self.0).by_id(id)
    }

    /// The lowest number of an article from here on.
    pub(super) fn next(&self, group: &str, from: u64) -> Option<u64> {
        let state = locked(&self.0);
        let group = state.groups.get(group)?;
        let from = from.max(1);
        match group.generated {
            (count, _) if from <= count => Some(from),
            _ => Some(*group.kept.range(from..).next()?.0),
        }
    }

    /// The highest number of an article below this.
    pub(super) fn previous(&self, group: &str, before: u64) -> Option<u64> {
        let state = locked(&self.0);
        let group = state.groups.get(group)?;
        let kept = group.kept.range(..before).next_back();
        let generated = before.saturating_sub(1).min(group.generated.0);
        match kept {
            Some((number, _)) => Some(*number),
            None => (generated > 0).then_some(generated),
        }
    }

    /// The Message-IDs of what came since then into groups that match.
    pub(super) fn since(&self, wildmat: &Wildmat, moment: i64) -> Vec<String> {
        let state = locked(&self.0);
        let mut ids = Vec::new();
        for (name, group) in &state.groups {
            if !wildmat.matches(name) {
                continue;
            }
            let before = u64::try_from(moment - generated::BEGINNING).unwrap_or(0);
            let made = before.max(1)..=group.generated.0;
            ids.extend(made.map(|number| generated::message_id(name, number)));
            let kept = group.kept.values().filter(|kept| kept.arrived >= moment);
            ids.extend(kept.map(|kept| kept.message_id.clone()));
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl State {
    fn group(&mut self, name: &str) -> &mut Group {
        let group = self.groups.entry(name.to_owned());
        group.or_insert_with(|| Group {
            description: String::new(),
            status: 'y',
            created: time::now(),
            generated: (0, 0),
            kept: BTreeMap::new(),
        })
    }

    /// Two articles of one Message-ID, which a folder may hold, are both in their groups; the
    /// Message-ID then means the last.
    fn put(&mut self, article: Arc<Article>) {
        self.octets += usize::try_from(article.octets()).unwrap_or(usize::MAX / 2);
        for (name, number) in &article.places {
            let group = self.group(name);
            group.kept.insert(*number, Arc::clone(&article));
        }
        self.by_id.insert(article.message_id.clone(), article);
    }

    fn by_id(&self, id: &str) -> Option<Arc<Article>> {
        if let Some(kept) = self.by_id.get(id) {
            return Some(Arc::clone(kept));
        }
        let (name, number) = generated::of_message_id(id)?;
        let group = self.groups.get(name)?;
        let is_made = (1..=group.generated.0).contains(&number);
        is_made.then(|| group.at(name, number))?
    }
}

impl Group {
    fn summary(&self, name: &str) -> Summary {
        let (made, _) = self.generated;
        let first = self.kept.keys().next().copied();
        let last = self.kept.keys().next_back().copied();
        let low = match made {
            0 => first.unwrap_or(1),
            _ => 1,
        };
        Summary {
            name: name.to_owned(),
            description: self.description.clone(),
            status: self.status,
            created: self.created,
            low,
            high: last.unwrap_or(made).max(made),
            count: made + self.kept.len() as u64,
        }
    }

    fn at(&self, name: &str, number: u64) -> Option<Arc<Article>> {
        let (count, size) = self.generated;
        match (1..=count).contains(&number) {
            true => Some(Arc::new(Article::generated(name, number, size))),
            false => self.kept.get(&number).cloned(),
        }
    }
}

/// RFC 3977 section 9.8: `message-id = "<" 1*248(%x21-3D / %x3F-7E) ">"`.
pub(super) fn is_message_id(text: &str) -> bool {
    let inner = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    inner.is_some_and(|inner| {
        let is_right = |byte| matches!(byte, b'!'..=b'=' | b'?'..=b'~');
        (1..=248).contains(&inner.len()) && inner.bytes().all(is_right)
    })
}

/// Header and body, every line with CRLF, without the empty line between them.
pub(super) fn canonical(content: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut header, mut body) = (Vec::new(), Vec::new());
    let mut is_body = false;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !is_body && line.is_empty() {
            is_body = true;
            continue;
        }
        let part = if is_body { &mut body } else { &mut header };
        part.extend_from_slice(line);
        part.extend_from_slice(b"\r\n");
    }
    (header, body)
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> io::Result<Vec<(String, std::path::PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_becomes_groups() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a.b/7", "Message-ID: <x@y>\nSubject: s\n\nbody\n.\n"),
            ("a.b/3", "Subject: no id\n\n"),
            ("a.b/z.eml", "Message-ID: <z@y>\r\n\r\n"),
            ("a.b/notes.txt", ""),
            ("a.b/18446744073709551615", ""),
            ("empty/x", ""),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let spool = Spool::default();
        assert_eq!(spool.load(folder.path()).unwrap(), 3);
        let group = spool.summary("a.b").unwrap();
        assert_eq!((group.low, group.high, group.count), (3, 8, 3));
        let empty = spool.summary("empty").unwrap();
        assert_eq!((empty.low, empty.high, empty.count), (1, 0, 0));
        assert_eq!(
            spool.at("a.b", 3).unwrap().message_id,
            "<3.a.b@loaded.localhost>"
        );
        assert_eq!(spool.by_id("<x@y>").unwrap().lines(), 2);
        assert_eq!(spool.next("a.b", 4), Some(7));
        assert_eq!(spool.previous("a.b", 7), Some(3));
        assert_eq!(
            (spool.next("a.b", 9), spool.previous("a.b", 3)),
            (None, None)
        );
    }

    #[test]
    fn what_is_filed_comes_behind_what_is_generated() {
        let spool = Spool::default();
        assert!(spool.generate("a.b", 3, 500));
        assert!(!spool.generate("a.b", 3, 500));
        assert!(!spool.generate("c.d", u64::MAX, 500));
        assert!(spool.create("shut", 'n', ""));
        let file = |id: &str, group: &str| spool.file(id, &[group.to_owned()], b"", b"");
        assert_eq!(file("<1@x>", "a.b"), Ok(()));
        assert_eq!(file("<1@x>", "a.b"), Err(Refusal::Duplicate));
        assert_eq!(
            file("<2.a.b@generated.localhost>", "a.b"),
            Err(Refusal::Duplicate)
        );
        assert_eq!(file("<2@x>", "none"), Err(Refusal::NoGroup));
        assert_eq!(file("<2@x>", "shut"), Err(Refusal::Closed));
        let group = spool.summary("a.b").unwrap();
        assert_eq!((group.low, group.high, group.count), (1, 4, 4));
        assert_eq!(spool.previous("a.b", 4), Some(3));
        assert_eq!(spool.next("a.b", 4), Some(4));
        let all = Wildmat::parse("*").unwrap();
        assert_eq!(spool.since(&all, 0).len(), 4);
        assert_eq!(spool.since(&all, generated::BEGINNING + 3).len(), 2);
    }
}
