//! Logged in: folders and files by their names. What moves bytes is in `session/transfer.rs`.

mod transfer;

#[cfg(test)]
mod tests;

use proto_transport::{
    Connection, Connector, Endpoint, Error, Refusal, Result, StatusReply, NOT_RESUMED,
};

use crate::client::{ask_features, FEATURES};
use crate::data::DataPolicy;
use crate::listing::{fact_line, Entry, Facts, Kind};
use crate::moment::Moment;
use crate::reply::{self, Digest, Features, No};
use crate::request::{Path, Request, Type};
use crate::wire::{ask, expect, hear, no, say};

pub use transfer::Visit;

/// A server that has let us in.
pub struct Session {
    connection: Connection,
    connector: Connector,
    endpoint: Endpoint,
    features: Features,
    is_protected: bool,
    /// Whether the last data connection resumed the TLS session of this one, if there is TLS.
    is_resumed: bool,
    policy: DataPolicy,
    /// The last listing was of a folder that the server could not open.
    was_closed: bool,
    shows_hidden: bool,
    /// How files are to travel.
    kind: Type,
    /// What the server was last told of that; before, it is type A (RFC 959 section 5.1).
    told_kind: Option<Type>,
    has_extended: bool,
    /// Whether the server has answered EPSV before.
    knows_extended: bool,
    lists_facts: bool,
    chosen_hash: Option<String>,
    /// Whether several commands may be under way at once.
    is_hasty: bool,
    /// Whether the transfer that comes is followed by another.
    more_follows: bool,
    ahead: Ahead,
    /// What the transfer under way is, in errors.
    doing: String,
    /// The folder that we are in, once it was asked for.
    here: Option<Path>,
}

/// The data connection of the transfer after this one, asked for while this one is under way.
enum Ahead {
    Nothing,
    Asked,
    Answered(StatusReply),
}

/// Whether a server may have refused a data connection because it resumes no TLS session.
fn is_about_sessions(reply: &str) -> bool {
    let text = reply.to_ascii_lowercase();
    let words = ["reuse", "resum", "session"];
    text.starts_with("4") && words.iter().any(|word| text.contains(word))
}

/// What a server tells of a file by SIZE and MDTM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About {
    /// How many bytes it has, as they would travel in type I.
    pub size: Option<u64>,
    /// When it was changed, in UTC.
    pub modified: Option<Moment>,
}

/// Files of which is asked at once. With paths of 255 bytes that is less than 10 KB.
const ASKED_TOGETHER: usize = 16;

/// Digests by HASH, the one that is wanted most first.
const HASHES: [&str; 4] = ["SHA-256", "SHA-512", "SHA-1", "MD5"];

/// Digests by commands of their own, the strongest first.
const OLD_HASHES: [(&str, &str); 5] = [
    ("XSHA512", "SHA-512"),
    ("XSHA256", "SHA-256"),
    ("XSHA1", "SHA-1"),
    ("XMD5", "MD5"),
    ("XCRC", "CRC32"),
];

impl Session {
    pub(crate) fn new(
        mut connection: Connection,
        connector: Connector,
        endpoint: Endpoint,
        is_protected: bool,
    ) -> Result<Session> {
        connection.doing(FEATURES);
        let features = ask_features(&mut connection)?;
        // RFC 2640 wants nothing said, but some servers turn UTF-8 on only so.
        if features.offers("UTF8") {
            ask(&mut connection, &Request::OptionUtf8)?;
        }
        Ok(Session {
            connection,
            connector,
            endpoint,
            lists_facts: features.offers("MLST") || features.offers("MLSD"),
            features,
            is_protected,
            is_resumed: true,
            policy: DataPolicy::default(),
            was_closed: false,
            shows_hidden: false,
            kind: Type::Image,
            told_kind: None,
            has_extended: true,
            knows_extended: false,
            chosen_hash: None,
            is_hasty: true,
            more_follows: false,
            ahead: Ahead::Nothing,
            doing: String::new(),
            here: None,
        })
    }

    /// The control connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What the server can do.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// How data connections are to be made.
    pub fn set_data_policy(&mut self, policy: DataPolicy) {
        self.policy = policy;
    }

    /// How files are to travel; without this, as they are.
    pub fn set_type(&mut self, kind: Type) {
        self.kind = kind;
    }

    /// Whether LIST asks for hidden files (`-a`). A server that takes it for a name is asked without
    /// it from then on. MLSD needs no such thing.
    pub fn show_hidden(&mut self, shows: bool) {
        self.shows_hidden = shows;
    }

    /// Says one command at a time, and waits for each reply. Without this, commands whose replies do
    /// not depend on each other are sent together, and the data connection of the next transfer is
    /// asked for while one is under way: no document forbids it, and some servers lose commands so.
    pub fn say_one_at_a_time(&mut self) {
        self.is_hasty = false;
    }

    /// Whether several commands may be under way at once.
    pub fn is_hasty(&self) -> bool {
        self.is_hasty
    }

    /// Tells whether the next transfer will be followed by another.
    pub fn expect_more(&mut self, more: bool) {
        self.more_follows = more;
    }

    /// Whether more can be said. After a transfer whose end was lost, nothing can.
    pub fn is_usable(&mut self) -> bool {
        match self.ahead {
            Ahead::Asked => self.connection.is_in_step(),
            _ => self.connection.is_reusable(),
        }
    }

    /// The folder that we are in.
    pub fn working_folder(&mut self) -> Result<Path> {
        self.connection.doing("asking for the folder");
        let reply = self.expect(&Request::WorkingFolder, 257)?;
        match reply::quoted_path(reply::first(&reply)) {
            Some(path) if !path.is_empty() => Path::new(path),
            _ => Err(self.malformed("PWD is answered with a path in quotation marks", &reply)),
        }
    }

    /// Goes to a folder.
    pub fn change_folder(&mut self, path: &Path) -> Result<()> {
        self.here = None;
        self.go_to(path)
    }

    fn go_to(&mut self, path: &Path) -> Result<()> {
        self.connection.doing(format!("going to {path}"));
        self.expect(&Request::ChangeFolder(path.clone()), 2)
            .map(|_| ())
    }

    /// Whether a path names a folder: by MLST, or else by going there and back.
    pub fn is_folder(&mut self, path: &Path) -> Result<bool> {
        if self.features.offers("MLST") {
            let facts = self.facts(path);
            return Ok(facts?.is_some_and(|entry| entry.kind == Kind::Folder));
        }
        match self.check_folder(path) {
            Err(error) if No::of(&error) == Some(No::Missing) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Fails as the server does unless a path names a folder that can be gone to. We are where we were
    /// afterwards: other paths may be relative to that.
    pub fn check_folder(&mut self, path: &Path) -> Result<()> {
        let here = match self.here.take() {
            Some(here) => here,
            None => self.working_folder()?,
        };
        self.go_to(path)
            .inspect_err(|_| self.here = Some(here.clone()))?;
        // Who cannot go back means another file by each name.
        self.go_to(&here)
            .inspect_err(|_| self.connection.give_up_sending())?;
        self.here = Some(here);
        Ok(())
    }

    /// How many bytes a file has, as they would travel in type I (RFC 3659 section 4).
    pub fn size(&mut self, path: &Path) -> Result<u64> {
        self.connection
            .doing(format!("asking for the size of {path}"));
        let mut replies = self.ask_in_image(vec![Request::Size(path.clone())])?;
        let Some(reply) = replies.next() else {
            return Err(self.connection.closed("there is no reply"));
        };
        if !reply.is(213) {
            return Err(self.no(&reply, "213"));
        }
        reply::size(&reply).ok_or_else(|| self.malformed("SIZE is answered with a number", &reply))
    }

    /// When a file was changed, in UTC (RFC 3659 section 3).
    pub fn modified(&mut self, path: &Path) -> Result<Moment> {
        self.connection
            .doing(format!("asking for the time of {path}"));
        let reply = self.expect(&Request::Modified(path.clone()), 213)?;
        reply::modified(&reply)
            .ok_or_else(|| self.malformed("MDTM is answered with a time", &reply))
    }

    /// When each of these was changed, in UTC; `None` where the server does not tell. Several questions
    /// travel together.
    pub fn all_modified(&mut self, paths: &[&Path]) -> Result<Vec<Option<Moment>>> {
        // What the server has not read yet must fit into the buffers between us.
        const MOST_AT_ONCE: usize = 32;
        const BYTES_AT_ONCE: usize = 4096;
        self.connection.doing("asking for the times of files");
        let mut moments = Vec::with_capacity(paths.len());
        let mut requests = Vec::new();
        let mut bytes = 0;
        for (at, path) in paths.iter().enumerate() {
            requests.push(Request::Modified((*path).clone()));
            bytes += path.as_bytes().len();
            let is_enough = requests.len() >= MOST_AT_ONCE || bytes >= BYTES_AT_ONCE;
            if !is_enough && at + 1 < paths.len() {
                continue;
            }
            for reply in self.ask_all(&requests)? {
                let told = self.told(reply)?;
                moments.push(told.as_ref().and_then(reply::modified));
            }
            requests.clear();
            bytes = 0;
        }
        Ok(moments)
    }

    /// How many bytes a file has, and when it was changed, as far as the server can tell.
    pub fn about(&mut self, path: &Path) -> Result<About> {
        let mut all = self.about_all(&[path])?;
        Ok(all.pop().unwrap_or_default())
    }

    /// The same of many files, in their order: their questions are sent together, some at a time.
    pub fn about_all(&mut self, paths: &[&Path]) -> Result<Vec<About>> {
        let mut all = Vec::with_capacity(paths.len());
        for some in paths.chunks(ASKED_TOGETHER) {
            self.about_some(some, &mut all)?;
        }
        Ok(all)
    }

    fn about_some(&mut self, paths: &[&Path], all: &mut Vec<About>) -> Result<()> {
        let doing = match paths {
            [path] => format!("asking about {path}"),
            _ => "asking about files".to_owned(),
        };
        self.connection.doing(doing);
        let questions = |path: &&Path| {
            [
                Request::Size((*path).clone()),
                Request::Modified((*path).clone()),
            ]
        };
        let mut replies = self.ask_in_image(paths.iter().flat_map(questions).collect())?;
        while let (Some(size), Some(modified)) = (replies.next(), replies.next()) {
            let (size, modified) = (self.told(size)?, self.told(modified)?);
            all.push(About {
                size: size.as_ref().and_then(reply::size),
                modified: modified.as_ref().and_then(reply::modified),
            });
        }
        Ok(())
    }

    /// Asks what depends on the type, which is chosen in the same breath: how files are as type I.
    fn ask_in_image(
        &mut self,
        mut requests: Vec<Request>,
    ) -> Result<impl Iterator<Item = StatusReply>> {
        let is_told = self.told_kind == Some(Type::Image);
        if !is_told {
            requests.insert(0, Request::Type(Type::Image));
        }
        let mut replies = self.ask_all(&requests)?.into_iter();
        if !is_told {
            match replies.next().filter(|reply| !reply.is(2)) {
                Some(reply) => return Err(self.no(&reply, "200")),
                None => self.told_kind = Some(Type::Image),
            }
        }
        Ok(replies)
    }

    /// The reply to a question about one file among many; `None` if the server does not tell.
    fn told(&self, reply: StatusReply) -> Result<Option<StatusReply>> {
        match reply.code {
            213 => Ok(Some(reply)),
            400..=420 | 422..=599 => Ok(None),
            _ => Err(self.no(&reply, "213")),
        }
    }

    /// Sets when a file was changed, in UTC (MFMT of draft-somers-ftp-mfxx). Whether the server can
    /// is told by the feature `MFMT`.
    pub fn set_modified(&mut self, path: &Path, moment: Moment) -> Result<()> {
        self.connection.doing(format!("setting the time of {path}"));
        let request = Request::SetModified(moment, path.clone());
        self.expect(&request, 2).map(|_| ())
    }

    /// What a path names (MLST, RFC 3659 section 7); `None` where the server cannot tell. Its name is
    /// as the server writes it there, which may be the whole path; and one that is told as a folder
    /// itself is a folder.
    pub fn facts(&mut self, path: &Path) -> Result<Option<Entry>> {
        if !self.features.offers("MLST") {
            return Ok(None);
        }
        self.connection.doing(format!("asking about {path}"));
        let reply = self.expect(&Request::MachineFacts(path.clone()), 250)?;
        let line = reply
            .lines
            .get(1)
            .map(|line| line.strip_prefix(b" ").unwrap_or(line));
        match line.and_then(fact_line) {
            Some(Facts::Entry(entry)) => Ok(Some(entry)),
            Some(Facts::Itself) => Ok(Some(Entry {
                name: path.as_bytes().to_vec(),
                kind: Kind::Folder,
                size: None,
                modified: None,
                target: None,
                mode: None,
            })),
            None => Err(self.malformed("MLST is answered with facts in its second line", &reply)),
        }
    }

    /// Whether the server offers a way to have a digest.
    pub fn offers_hash(&self) -> bool {
        let offered = self.features.hashes();
        let has_old = |(verb, _): &(&str, &str)| self.features.offers(verb);
        HASHES
            .iter()
            .any(|known| offered.iter().any(|name| name == known))
            || OLD_HASHES.iter().any(has_old)
    }

    /// The digest of a file, by the strongest way that the server offers: HASH, or XSHA512 and its
    /// family; `None` if it offers none.
    pub fn hash(&mut self, path: &Path) -> Result<Option<Digest>> {
        self.tell_type(Type::Image)?;
        self.connection
            .doing(format!("asking for the digest of {path}"));
        let offered = self.features.hashes();
        let chosen = HASHES
            .iter()
            .find(|known| offered.iter().any(|name| name == *known));
        if let Some(chosen) = chosen {
            self.choose_hash(chosen, &offered)?;
            let request = Request::Digest("HASH", path.clone());
            let reply = self.expect(&request, 213)?;
            let digest = reply::hash(reply::first(&reply));
            let digest = digest.filter(|digest| digest.algorithm == *chosen);
            let rule = "HASH is answered with the digest of the whole file";
            return digest.map(Some).ok_or_else(|| self.malformed(rule, &reply));
        }
        let known = OLD_HASHES
            .iter()
            .find(|(verb, _)| self.features.offers(verb));
        let Some((verb, algorithm)) = known else {
            return Ok(None);
        };
        let reply = self.expect(&Request::Digest(verb, path.clone()), 2)?;
        let text = reply.lines.concat();
        let digest = reply::old_hash(&text, algorithm);
        digest
            .map(Some)
            .ok_or_else(|| self.malformed(format!("{verb} is answered with a digest"), &reply))
    }

    fn choose_hash(&mut self, wanted: &str, offered: &[String]) -> Result<()> {
        let in_use = self.chosen_hash.as_ref().or(offered.first());
        if in_use.is_some_and(|name| name == wanted) {
            return Ok(());
        }
        self.expect(&Request::OptionHash(wanted.to_owned()), 2)?;
        self.chosen_hash = Some(wanted.to_owned());
        Ok(())
    }

    /// Deletes a file.
    pub fn delete(&mut self, path: &Path) -> Result<()> {
        self.connection.doing(format!("deleting {path}"));
        self.expect(&Request::Delete(path.clone()), 2).map(|_| ())
    }

    /// Gives a file or folder another name. What has that name already may be lost.
    pub fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.connection.doing(format!("renaming {from} to {to}"));
        let requests = [
            Request::RenameFrom(from.clone()),
            Request::RenameTo(to.clone()),
        ];
        let mut replies = self.ask_all(&requests)?.into_iter();
        for (reply, wanted) in replies.by_ref().zip([350, 2]) {
            if !reply.is(wanted) {
                return Err(self.no(&reply, &wanted.to_string()));
            }
        }
        Ok(())
    }

    /// Whether a file or folder that is there may be renamed: the first half of a renaming (RNFR),
    /// which changes nothing by itself (RFC 959 section 4.1.3).
    pub fn may_rename(&mut self, from: &Path) -> Result<()> {
        self.connection.doing(format!("renaming {from}"));
        self.expect(&Request::RenameFrom(from.clone()), 350)
            .map(|_| ())
    }

    /// Makes a folder; its path as the server tells it, if it does.
    pub fn make_folder(&mut self, path: &Path) -> Result<Option<Path>> {
        self.connection.doing(format!("making the folder {path}"));
        let reply = self.ask(&Request::MakeFolder(path.clone()))?;
        if !reply.is(2) {
            // Appendix II of RFC 959 has 521 for a folder that exists; RFC 2228 for something else.
            return Err(match reply.code {
                521 => self.connection.refused(reply.to_string(), Refusal::Lasting),
                _ => self.no(&reply, "257"),
            });
        }
        let told = reply::quoted_path(reply::first(&reply));
        Ok(told.and_then(|path| Path::new(path).ok()))
    }

    /// Removes a folder that is empty.
    pub fn remove_folder(&mut self, path: &Path) -> Result<()> {
        self.connection.doing(format!("removing the folder {path}"));
        self.expect(&Request::RemoveFolder(path.clone()), 2)
            .map(|_| ())
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub fn quit(mut self) {
        if self.connection.is_in_step() {
            let _ = self.ask(&Request::Quit);
        }
    }

    fn tell_type(&mut self, kind: Type) -> Result<()> {
        if self.told_kind == Some(kind) {
            return Ok(());
        }
        self.connection.doing("choosing the type");
        self.expect(&Request::Type(kind), 2)?;
        self.told_kind = Some(kind);
        Ok(())
    }

    /// Says a command and hears its reply, behind that to what was asked ahead.
    fn ask(&mut self, request: &Request) -> Result<StatusReply> {
        self.settle()?;
        ask(&mut self.connection, request)
    }

    fn expect(&mut self, request: &Request, prefix: u16) -> Result<StatusReply> {
        self.settle()?;
        expect(&mut self.connection, request, prefix)
    }

    /// Says several commands together and hears their replies. They must be few: what the server
    /// has not read yet must fit into the buffers between us.
    fn ask_all(&mut self, requests: &[Request]) -> Result<Vec<StatusReply>> {
        if !self.is_hasty {
            return requests.iter().map(|request| self.ask(request)).collect();
        }
        self.settle()?;
        for (at, request) in requests.iter().enumerate() {
            match at {
                0 => say(&mut self.connection, request)?,
                _ => self.connection.write_line(request.line())?,
            }
        }
        let replies = requests.iter().map(|_| hear(&mut self.connection));
        replies.collect()
    }

    /// Hears the reply to what was asked ahead, if that is still to come.
    fn settle(&mut self) -> Result<()> {
        if matches!(self.ahead, Ahead::Asked) {
            self.ahead = Ahead::Nothing;
            self.ahead = Ahead::Answered(self.hear_ahead()?);
        }
        Ok(())
    }

    /// Whether a no is about the command, and not about its parameter.
    fn is_unsupported(error: &Error) -> bool {
        matches!(error, Error::Refused { reply, .. } if reply.starts_with("500") || reply.starts_with("502"))
    }

    fn no(&self, reply: &StatusReply, expected: &str) -> Error {
        let error = no(&self.connection, reply, expected);
        match &error {
            Error::Refused { reply, .. } if !self.is_resumed && is_about_sessions(reply) => {
                error.advised(NOT_RESUMED)
            }
            _ => error,
        }
    }

    fn malformed(&self, rule: impl Into<String>, reply: &StatusReply) -> Error {
        self.connection
            .malformed(rule, reply.to_string().as_bytes())
    }
}
