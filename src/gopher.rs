//! What the Gopher commands share: what is asked of whom, and an item on its way to where it is kept.

use std::path::{Path, PathBuf};
use std::time::Instant;

use proto_gopher::{Client, Form, Kind, Reader, Target};
use proto_transport::{Connector, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::commands::http_get::STDOUT;
use crate::direct::Direct;
use crate::output::{refuse_existing, PartFile};
use crate::progress::Progress;
use crate::protocol::GOPHER;
use crate::report::{Record, Stage};
use crate::safe_name::safe_name;
use crate::save::{Sink, Watch};

/// What a URL names. Words to search for may stand behind a `?`, as many write them.
pub fn target(url: &str) -> Result<Target> {
    let target = Target::parse(url)?;
    let is_search = target.kind == Kind::Search && target.search().is_none();
    match is_search && url.contains('?') {
        true => Target::parse(&url.replacen('?', "%09", 1)),
        false => Ok(target),
    }
}

/// The same, with words for a search.
pub fn searching(target: Target, words: Option<&str>) -> Result<Target> {
    match (target.kind, words) {
        (Kind::Search, Some(words)) => target.with_search(words),
        (Kind::Search, None) if target.search().is_none() => Err(Error::illegal(
            "this is a search: what for? See --search, or write ?words behind the URL",
        )),
        (_, None) => Ok(target),
        (_, Some(_)) => Err(Error::illegal(
            "--search is for items of the type 7, and this is none",
        )),
    }
}

/// The way to gopher servers.
pub struct Service {
    connector: Connector,
}

impl Service {
    /// The policy for all connections. Nobody logs in: the protocol knows no such thing.
    pub fn new(common: &CommonArgs) -> Result<Service> {
        match common.credentials.user.is_some() {
            true => Err(Error::illegal("gopher knows no login, so there is no -u")),
            false => Ok(Service {
                connector: common.connector(&GOPHER)?,
            }),
        }
    }

    /// Connects to the server of an item.
    pub fn connect(&self, target: &Target, record: &mut Record) -> Result<Client> {
        record.stage = Stage::Connect;
        let client = self
            .connector
            .once_more(|| Client::connect(&self.connector, target))?;
        record.connected(client.connection().facts(), false);
        record.stage = Stage::Command;
        Ok(client)
    }
}

/// Where items go.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Write to this file (- for stdout, as it comes even to a terminal)
    #[arg(short, long, value_name = "FILE", conflicts_with = "remote_name")]
    output: Option<PathBuf>,
    /// Write to a file named by the last part of the selector
    #[arg(short = 'O', long)]
    remote_name: bool,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    /// Leave the dots of texts as they come
    #[arg(long)]
    raw: bool,
}

/// Where one item goes.
pub enum Place {
    /// Straight away; `harmless` shows it as a terminal may see it.
    Direct { output: Direct, harmless: bool },
    /// A file.
    File(PathBuf),
}

impl OutputArgs {
    /// Whether something is said of where items go.
    pub fn is_given(&self) -> bool {
        self.output.is_some() || self.remote_name || self.raw
    }

    /// The place for an item. One that is taken is told before anybody is asked.
    pub fn place(&self, target: &Target, common: &CommonArgs) -> Result<Place> {
        let stdout = |harmless| {
            Direct::stdout().map(|output| Place::Direct {
                harmless: harmless && output.is_terminal,
                output,
            })
        };
        let path = match &self.output {
            Some(path) if STDOUT.iter().any(|name| path.as_os_str() == *name) => {
                return stdout(false)
            }
            Some(path) if Direct::is_device(path, self.force) => {
                return Direct::device(path, common.deadline()).map(|output| Place::Direct {
                    output,
                    harmless: false,
                })
            }
            Some(path) => path.clone(),
            None if self.remote_name => PathBuf::from(name_of(target)),
            None => return stdout(true),
        };
        refuse_existing(&path, self.force)?;
        Ok(Place::File(path))
    }
}

/// What a file with this item is called: the last part of the selector, or what it is.
fn name_of(target: &Target) -> String {
    let selector = String::from_utf8_lossy(target.selector());
    let last = selector.rsplit(['/', '\\']).next().unwrap_or_default();
    match last.trim_matches(['.', ' ']) {
        "" => target.kind.name().replace(' ', "-"),
        _ => safe_name(last),
    }
}

/// An item on its way.
pub struct Fetching<'a> {
    /// The way to servers.
    pub service: &'a Service,
    /// Where it goes.
    pub output: &'a OutputArgs,
    /// Limits.
    pub common: &'a CommonArgs,
    /// Where progress is shown.
    pub progress: &'a Progress,
}

impl Fetching<'_> {
    /// Fetches an item. `began` is told when bytes went where nobody can take them back.
    pub fn fetch(&self, target: &Target, record: &mut Record, began: &mut bool) -> Result<()> {
        if !target.kind.can_be_fetched() {
            return Err(Error::illegal(format!(
                "there is nothing to fetch of an item of the kind {}",
                target.kind.name()
            )));
        }
        let place = self.output.place(target, self.common)?;
        let mut client = self.service.connect(target, record)?;
        let url = target.url();
        record.items = vec![json!({ "url": url, "kind": target.kind.name() })];
        let mut reader = match self.output.raw {
            true => client.fetch_as(Form::Bytes)?,
            false => client.fetch()?,
        };
        record.stage = Stage::Transfer;
        match place {
            Place::Direct { output, harmless } => {
                let mut file = output.file;
                let sink = match harmless {
                    true => Sink::Terminal(&mut file, Vec::new()),
                    false => Sink::File(&mut file, output.can_splice),
                };
                self.transfer(&mut reader, sink, &url, record, began)?;
            }
            Place::File(path) => self.keep(&mut reader, &path, record)?,
        }
        if target.kind.form() == Form::Text && !self.output.raw {
            let has_dot = reader.has_dot();
            record.note("has_dot", has_dot);
            if !has_dot && self.common.looking.verbose {
                crate::note(
                    "proto: the text had no final dot, so that nobody knows if it is whole",
                );
            }
        }
        Ok(())
    }

    /// Into a file that appears when it is whole.
    fn keep(&self, reader: &mut Reader<'_>, path: &Path, record: &mut Record) -> Result<()> {
        let name = path.to_string_lossy();
        record.note("file", name.as_ref());
        let mut part = PartFile::begin_small(path, self.output.force)?;
        let sink = Sink::File(part.file(), true);
        match self.transfer(reader, sink, &name, record, &mut false) {
            Ok(()) => {
                record.stage = Stage::Store;
                part.commit()
            }
            Err(error) => {
                part.abandon();
                Err(error)
            }
        }
    }

    fn transfer(
        &self,
        reader: &mut Reader<'_>,
        mut sink: Sink<'_>,
        name: &str,
        record: &mut Record,
        began: &mut bool,
    ) -> Result<()> {
        let connection = &self.common.connection;
        let mut watch = Watch {
            stored: 0,
            before: 0,
            started: Instant::now(),
            hash: None,
            max_size: connection.max_size,
            limit_rate: connection.limit_rate,
            deadline: self.common.deadline(),
            transfer: self.progress.transfer(name, None),
        };
        let result = pass_on(reader, &mut sink, &mut watch, began);
        let stored = json!(watch.stored);
        record.bytes.insert("stored".to_owned(), stored);
        result.and_then(|()| sink.finish())
    }
}

/// All that comes, to where it goes.
fn pass_on(
    reader: &mut Reader<'_>,
    sink: &mut Sink<'_>,
    watch: &mut Watch<'_>,
    began: &mut bool,
) -> Result<()> {
    loop {
        let count = match sink {
            // Moved inside the kernel, unless somebody must look at the bytes.
            Sink::File(file, true) if watch.looks_away() => match reader.next_part_to(file)? {
                Some(count) => count,
                None => return Ok(()),
            },
            _ => match reader.next_part()? {
                Some(part) => {
                    watch.look(part)?;
                    sink.write(part)?;
                    part.len() as u64
                }
                None => return Ok(()),
            },
        };
        *began = true;
        watch.count(count)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_to_search_for() {
        for (url, words, wanted) in [
            ("gopher://h/7/s?two%20words", None, Some("two words")),
            ("gopher://h/7/s%09a?b", None, Some("a?b")),
            ("gopher://h/7/s", Some("x"), Some("x")),
            ("gopher://h/7/s?y", Some("x"), Some("x")),
            ("gopher://h/1/s?y", None, None),
        ] {
            let found = searching(target(url).unwrap(), words).unwrap();
            let search = found.search().map(String::from_utf8_lossy);
            assert_eq!(search.as_deref(), wanted, "{url}");
        }
        assert!(searching(target("gopher://h/7/s").unwrap(), None).is_err());
        assert!(searching(target("gopher://h/1/s").unwrap(), Some("x")).is_err());
    }

    #[test]
    fn items_have_names() {
        for (url, name) in [
            ("gopher://h/0/a/b.txt", "b.txt"),
            ("gopher://h/", "menu"),
            ("gopher://h/9/..", "binary"),
            ("gopher://h/1/a/", "menu"),
            ("gopher://h/0/..%2f..%2f.bashrc", "bashrc"),
        ] {
            assert_eq!(name_of(&target(url).unwrap()), name, "{url}");
        }
    }
}
