//! Maildrops that change between two sessions, as careless servers let them.

use std::io;
use std::sync::{Arc, Mutex};

use proto_mock::{Options, Peer, Server};

use super::*;

/// A server that does what a test wants of each session.
#[derive(Default)]
struct Careless {
    /// Unique-ids and contents, in order.
    messages: Vec<(&'static str, String)>,
    /// What UIDL is answered with instead of ids.
    uidl: Option<&'static str>,
    /// After so many messages it hangs up, once.
    hangs_up_after: Option<usize>,
    /// What it has then.
    then: Option<Vec<(&'static str, String)>>,
    deleted: Vec<&'static str>,
}

type Shared = Arc<Mutex<Careless>>;

fn serve(careless: &Mutex<Careless>, peer: &mut Peer) -> io::Result<()> {
    let mut gone = Vec::new();
    let mut fetched = 0;
    peer.write_line("+OK ready")?;
    while let Some(line) = peer.read_line()? {
        let line = String::from_utf8_lossy(&line).to_ascii_uppercase();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let mut careless = careless.lock().unwrap();
        let messages = careless.messages.clone();
        let number: usize = argument.parse().unwrap_or(0);
        let numbered = messages.iter().zip(1..);
        match verb {
            "CAPA" => peer.write_line("-ERR no")?,
            "LIST" => {
                peer.write_line("+OK")?;
                for ((_, text), number) in numbered {
                    peer.write_line(format!("{number} {}", text.len()))?;
                }
                peer.write_line(".")?;
            }
            "UIDL" if careless.uidl.is_some() => peer.write_line(careless.uidl.unwrap())?,
            "UIDL" => {
                peer.write_line("+OK")?;
                for ((uid, _), number) in numbered {
                    peer.write_line(format!("{number} {uid}"))?;
                }
                peer.write_line(".")?;
            }
            "RETR" | "TOP" => {
                if careless.hangs_up_after == Some(fetched) {
                    careless.hangs_up_after = None;
                    careless.messages = careless.then.take().unwrap();
                    return Ok(());
                }
                fetched += 1;
                peer.write_line("+OK")?;
                let number = argument.split(' ').next().unwrap();
                let number: usize = number.parse().unwrap();
                peer.write_all(messages[number - 1].1.as_bytes())?;
                peer.write_line(".")?;
            }
            "DELE" => {
                gone.push(messages[number - 1].0);
                peer.write_line("+OK")?;
            }
            "QUIT" => {
                careless.messages.retain(|(uid, _)| !gone.contains(uid));
                careless.deleted.extend(&gone);
                return peer.write_line("+OK");
            }
            _ => peer.write_line("+OK")?,
        }
    }
    Ok(())
}

struct Here {
    careless: Shared,
    server: Server,
    folder: tempfile::TempDir,
}

impl Here {
    fn new(careless: Careless) -> Here {
        let careless = Arc::new(Mutex::new(careless));
        let service = Arc::clone(&careless);
        let serve = move |peer: &mut Peer, _: usize| serve(&service, peer);
        Here {
            server: Server::start(Options::default(), Arc::new(serve)).unwrap(),
            careless,
            folder: folder(),
        }
    }

    fn fetch(&self, options: &[&str]) -> Run {
        let url = format!("pop3://me@localhost:{}", self.server.port());
        let mut command = fetching(&url, self.folder.path(), &["--maildir", "mail"]);
        let command = command.args(options).env("PROTO_PASSWORD", "x");
        command.output().unwrap().into()
    }

    fn change(&self, change: impl FnOnce(&mut Careless)) {
        change(&mut self.careless.lock().unwrap());
    }

    /// What is stored, sorted.
    fn stored(&self) -> Vec<String> {
        let new = self.folder.path().join("mail/new");
        let read = |name: &String| fs::read_to_string(new.join(name)).unwrap();
        let mut all: Vec<String> = names(&new).iter().map(read).collect();
        all.sort();
        all
    }
}

fn mail(subject: &str) -> String {
    format!("Subject: {subject}\r\n\r\n{subject}\r\n")
}

fn stored(subjects: &[&str]) -> Vec<String> {
    let mail = |subject: &&str| mail(subject).replace("\r\n", "\n");
    subjects.iter().map(mail).collect()
}

#[test]
fn a_unique_id_that_comes_again_is_not_deleted_unfetched() {
    let here = Here::new(Careless {
        messages: vec![("a", mail("first"))],
        ..Careless::default()
    });
    here.fetch(&["--delete"]).exits(0);
    // The same id for one of the same size.
    here.change(|careless| careless.messages = vec![("a", mail("third"))]);
    here.fetch(&["--delete"]).exits(0);
    assert_eq!(here.stored(), stored(&["first", "third"]));
    // And for one of another, where the first was kept.
    here.change(|careless| careless.messages = vec![("b", mail("one"))]);
    here.fetch(&[]).exits(0);
    here.change(|careless| careless.messages = vec![("b", mail("another"))]);
    here.fetch(&["--delete"]).exits(0);
    assert_eq!(here.stored(), stored(&["another", "first", "one", "third"]));
    assert_eq!(here.careless.lock().unwrap().deleted, ["a", "a", "b"]);
}

#[test]
fn numbers_mean_what_they_meant_at_first() {
    let here = Here::new(Careless {
        messages: vec![("a", mail("a")), ("b", mail("b")), ("c", mail("c"))],
        hangs_up_after: Some(1),
        then: Some(vec![
            ("new", mail("new")),
            ("a", mail("a")),
            ("b", mail("b")),
        ]),
        ..Careless::default()
    });
    here.fetch(&["1-2", "--delete", "--retry", "1"]).exits(0);
    assert_eq!(here.stored(), stored(&["a", "b"]));
    assert_eq!(here.careless.lock().unwrap().deleted, ["a", "b"]);
}

#[test]
fn unique_ids_that_are_not_given_once_make_nothing_new() {
    let here = Here::new(Careless {
        messages: vec![("a", mail("a")), ("b", mail("b"))],
        ..Careless::default()
    });
    here.fetch(&[]).exits(0);
    for no in ["-ERR [SYS/TEMP] index is being rebuilt", "-ERR no"] {
        here.change(|careless| careless.uidl = Some(no));
        here.fetch(&[]).exits(75);
        assert_eq!(here.stored().len(), 2, "{no}");
    }
    // Who really has none is served by what the headers say.
    here.fetch(&["--rebuild-state"]).exits(0);
    here.fetch(&[]).exits(0);
}

#[test]
fn an_empty_listing_is_not_the_end_of_memory() {
    let all = || vec![("a", mail("a")), ("b", mail("b"))];
    let here = Here::new(Careless {
        messages: all(),
        ..Careless::default()
    });
    here.fetch(&[]).exits(0);
    here.change(|careless| careless.messages.clear());
    here.fetch(&[]).exits(0);
    here.change(|careless| careless.messages = all());
    assert_eq!(here.fetch(&[]).exits(0).text(), "");
}
