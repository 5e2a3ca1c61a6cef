//! Folders, names, sizes, times and digests of files.

use std::io::{self, Read};

use flate2::Crc;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use proto_transport::certificate::hexadecimal;

use super::conversation::{refused, Conversation, Result};
use super::facts::{self, cannot, digits, moment, told_time};
use super::flaw::Flaw;
use super::listing;
use super::transfer::is_link;
use super::tree::{path, Entry, Names};

/// How the digest of a file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha1,
    Md5,
    Crc32,
}

impl Digest {
    const ALL: [Digest; 4] = [Digest::Sha256, Digest::Sha1, Digest::Md5, Digest::Crc32];

    /// As HASH names it (draft-bryan-ftp-hash).
    pub fn name(self) -> &'static str {
        match self {
            Digest::Sha256 => "SHA-256",
            Digest::Sha1 => "SHA-1",
            Digest::Md5 => "MD5",
            Digest::Crc32 => "CRC32",
        }
    }

    pub fn named(name: &str) -> Option<Digest> {
        let mut all = Digest::ALL.into_iter();
        all.find(|digest| digest.name().eq_ignore_ascii_case(name))
    }

    /// What FEAT says of HASH, with a star at the one that is in use.
    pub fn offer(self) -> String {
        let mark = |digest: &Digest| if *digest == self { "*" } else { "" };
        let names = Digest::ALL.iter();
        let names: Vec<String> = names.map(|d| format!("{}{}", d.name(), mark(d))).collect();
        format!("HASH {}", names.join(";"))
    }

    /// In hexadecimal digits.
    fn of(self, source: &mut dyn Read) -> io::Result<String> {
        let (mut sha256, mut sha1, mut md5) = (Sha256::new(), Sha1::new(), Md5::new());
        let mut crc = Crc::new();
        let mut block = vec![0; 64 * 1024];
        loop {
            let count = source.read(&mut block)?;
            let bytes = block.get(..count).unwrap_or_default();
            match self {
                Digest::Sha256 => sha256.update(bytes),
                Digest::Sha1 => sha1.update(bytes),
                Digest::Md5 => md5.update(bytes),
                Digest::Crc32 => crc.update(bytes),
            }
            if count == 0 {
                break;
            }
        }
        Ok(match self {
            Digest::Sha256 => hexadecimal(&sha256.finalize()),
            Digest::Sha1 => hexadecimal(&sha1.finalize()),
            Digest::Md5 => hexadecimal(&md5.finalize()),
            Digest::Crc32 => format!("{:08x}", crc.sum()),
        })
    }
}

impl Conversation<'_> {
    fn entry(&mut self, names: &Names) -> Result<Entry> {
        let server = self.server;
        let is_made = server.is_flawed(&Flaw::EndlessFolders)
            && names.last().is_some_and(|name| name == b"deeper");
        match server.with_tree(|tree| tree.entry(names)) {
            Err(_) if is_made => Ok(Entry::folder()),
            found => found.map_err(cannot),
        }
    }

    /// A file that is there.
    fn file(&mut self, argument: &[u8]) -> Result<(Names, Entry)> {
        let names = self.required(argument)?;
        let entry = self.entry(&names)?;
        match entry.is_folder() || is_link(&entry) {
            true => refused("550 that is no file"),
            false => Ok((names, entry)),
        }
    }

    pub fn cwd(&mut self, argument: &[u8]) -> Result {
        let names = self.required(argument)?;
        if !self.entry(&names)?.is_folder() {
            return refused("550 that is no folder");
        }
        self.folder = names;
        self.ok("250 here we are")
    }

    /// RFC 959 appendix II: quotes in a path are said twice.
    pub fn pwd(&mut self) -> Result {
        let path = path(&self.folder);
        if self.server.is_flawed(&Flaw::BarePwd) {
            return self.ok_bytes(&[b"257 ", path.as_slice()].concat());
        }
        let reply = [b"257 ", quoted(&path).as_slice(), b" is where we are"].concat();
        self.ok_bytes(&reply)
    }

    pub fn mkd(&mut self, argument: &[u8]) -> Result {
        let names = self.required(argument)?;
        self.check_writable()?;
        let made = self.server.with_tree(|tree| tree.make_folder(&names));
        made.map_err(cannot)?;
        let reply = [b"257 ", quoted(&path(&names)).as_slice(), b" is there"].concat();
        self.ok_bytes(&reply)
    }

    pub fn rmd(&mut self, argument: &[u8]) -> Result {
        let names = self.required(argument)?;
        self.check_writable()?;
        let removed = self.server.with_tree(|tree| tree.remove_folder(&names));
        removed.map_err(cannot)?;
        self.ok("250 it is gone")
    }

    pub fn dele(&mut self, argument: &[u8]) -> Result {
        let names = self.required(argument)?;
        self.check_writable()?;
        if self.entry(&names)?.is_folder() {
            return refused("550 that is no file");
        }
        let removed = self.server.with_tree(|tree| tree.remove(&names));
        removed.map_err(cannot)?;
        self.ok("250 it is gone")
    }

    pub fn rnfr(&mut self, argument: &[u8]) -> Result {
        let names = self.required(argument)?;
        self.check_writable()?;
        self.entry(&names)?;
        self.renamed = Some(names);
        self.ok("350 to what?")
    }

    pub fn rnto(&mut self, argument: &[u8], from: Option<Names>) -> Result {
        let Some(from) = from else {
            return Err(self.wrong("503 RNFR comes first"));
        };
        let to = self.required(argument)?;
        let renamed = self.server.with_tree(|tree| tree.rename(&from, &to));
        renamed.map_err(cannot)?;
        self.ok("250 so it is called")
    }

    /// RFC 3659 section 4: how many bytes RETR would bring, which nobody counts of text.
    pub fn size(&mut self, argument: &[u8]) -> Result {
        let (_, entry) = self.file(argument)?;
        if self.is_text {
            return refused("550 not of text");
        }
        let more = u64::from(self.server.is_flawed(&Flaw::WrongSize));
        self.ok(&format!("213 {}", entry.size + more))
    }

    pub fn mdtm(&mut self, argument: &[u8]) -> Result {
        let (_, entry) = self.file(argument)?;
        let told = told_time(self.server, entry.modified);
        self.ok(&format!("213 {}", digits(told)))
    }

    /// draft-somers-ftp-mfxx section 3.1.
    pub fn mfmt(&mut self, argument: &[u8]) -> Result {
        let mut words = argument.splitn(2, |byte| *byte == b' ');
        let time = words.next().unwrap_or_default();
        let argument = words.next().unwrap_or_default();
        let Some(seconds) = moment(time) else {
            return Err(self.wrong("501 MFMT takes a time and a path"));
        };
        let names = self.required(argument)?;
        self.check_writable()?;
        let changed = self.server.with_tree(|tree| {
            tree.entry(&names)
                .and_then(|_| tree.set_modified(&names, seconds))
        });
        changed.map_err(cannot)?;
        let reply = format!("213 Modify={}; ", digits(seconds));
        self.ok_bytes(&[reply.as_bytes(), argument].concat())
    }

    /// RFC 3659 section 7: in one reply.
    pub fn mlst(&mut self, argument: &[u8]) -> Result {
        let names = self.names(argument)?;
        let mut entry = self.entry(&names)?;
        entry.modified = told_time(self.server, entry.modified);
        let line = facts::line(&self.facts, facts::kind(&entry.kind), &entry, &path(&names));
        self.ok_bytes(&[b"250-this is\r\n ", line.as_slice(), b"\r\n250 that is all"].concat())
    }

    /// RFC 959 section 4.1.3: the server, or a listing over this connection.
    pub fn stat(&mut self, argument: &[u8]) -> Result {
        if argument.is_empty() {
            let user = self.user.clone().unwrap_or_default();
            return self.block("211", &[format!("{user} is logged in")], "that is all");
        }
        let names = self.names(argument)?;
        let entry = self.entry(&names)?;
        let rows = match entry.is_folder() {
            true => self.server.with_tree(|tree| tree.entries(&names)),
            false => Ok(vec![(names.last().cloned().unwrap_or_default(), entry)]),
        };
        let lines = listing::lines(self.server.style, &rows.map_err(cannot)?);
        let lines = lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned());
        self.block("213", &lines.collect::<Vec<_>>(), "that is all")
    }

    /// draft-bryan-ftp-hash section 3.
    pub fn hash(&mut self, argument: &[u8]) -> Result {
        let (names, entry) = self.file(argument)?;
        let digest = self.digest;
        let made = self.digest_of(&names, digest)?;
        let reply = format!("213 {} 0-{} {made} ", digest.name(), entry.size);
        self.ok_bytes(&[reply.as_bytes(), argument].concat())
    }

    /// XCRC and its like, which nobody has ever written down. The path may stand in quotes.
    pub fn checksum(&mut self, argument: &[u8], digest: Digest) -> Result {
        let bare = argument.strip_prefix(b"\"");
        let bare = bare.and_then(|bare| bare.strip_suffix(b"\""));
        let (names, _) = self.file(bare.unwrap_or(argument))?;
        let made = self.digest_of(&names, digest)?;
        self.ok(&format!("250 {}", made.to_uppercase()))
    }

    fn digest_of(&mut self, names: &Names, digest: Digest) -> Result<String> {
        let opened = self.server.with_tree(|tree| tree.read(names, 0));
        let mut source = opened.map_err(cannot)?;
        let made = digest.of(&mut source).map_err(cannot)?;
        Ok(match self.server.is_flawed(&Flaw::WrongHash) {
            true => "0".repeat(made.len()),
            false => made,
        })
    }
}

fn quoted(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in path {
        if *byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}
