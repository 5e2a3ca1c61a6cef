//! The messages that paths on the command line stand for.
//!
//! | what is there | what it stands for |
//! |---|---|
//! | a file | one message |
//! | a file that begins with `From ` | the messages of an mbox |
//! | a folder with `cur` and `new` | the messages of a Maildir |
//! | `-` | what comes on stdin, one message or an mbox |

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto_transport::{Error, Result};

use super::mbox::{self, SEPARATOR};
use super::message::{Message, Source};
use super::store::{self, Span, Store};

/// The messages that `paths` stand for, in order. What cannot be read is a message that cannot be
/// loaded, and does not stop the others; where there are no others, it is an error.
pub fn messages(paths: &[PathBuf], keep_bcc: bool) -> Result<Vec<Message>> {
    messages_with(paths, keep_bcc, &mut io::stdin())
}

fn messages_with(paths: &[PathBuf], keep_bcc: bool, stdin: &mut dyn Read) -> Result<Vec<Message>> {
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Error::illegal("stdin (-) can be read only once"));
    }
    let mut found = Vec::new();
    let (mut readable, mut first) = (0, None);
    for path in paths {
        let name = path.display().to_string();
        let here = if is_stdin(path) {
            in_store(&name, Store::take_in(stdin)?)
        } else if path.is_dir() {
            in_maildir(path)
        } else {
            in_file(path, &name)
        };
        match here {
            Ok(here) => {
                readable += 1;
                found.extend(here);
            }
            Err(error) => {
                found.push((
                    name.clone(),
                    Source::Unreadable(error.kind(), error.to_string()),
                ));
                first.get_or_insert_with(|| Error::io(format!("reading {name}"), error));
            }
        }
    }
    if let (0, Some(error)) = (readable, first) {
        return Err(error);
    }
    let message = |(name, source)| Message {
        name,
        source,
        keep_bcc,
    };
    Ok(found.into_iter().map(message).collect())
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

type Found = Vec<(String, Source)>;

fn in_file(path: &Path, name: &str) -> io::Result<Found> {
    let (file, _) = store::open(path)?;
    let store = Store::File(file);
    match begins_as_mbox(&store)? {
        true => in_store(name, store),
        false => Ok(vec![(name.to_owned(), Source::File(path.to_owned()))]),
    }
}

fn in_store(name: &str, store: Store) -> io::Result<Found> {
    if !begins_as_mbox(&store)? {
        let length = store.length()?;
        let span = Span::whole(Arc::new(store), length);
        return Ok(vec![(name.to_owned(), Source::Span(span))]);
    }
    let ranges = mbox::index(&store)?;
    let store = Arc::new(store);
    let message = |(number, range): (usize, std::ops::Range<u64>)| {
        let span = Span {
            store: Arc::clone(&store),
            start: range.start,
            end: range.end,
            // New mail may come meanwhile.
            is_last: false,
        };
        (format!("{name}:{}", number + 1), Source::Mbox(span))
    };
    Ok(ranges.into_iter().enumerate().map(message).collect())
}

fn begins_as_mbox(store: &Store) -> io::Result<bool> {
    let mut beginning = [0; SEPARATOR.len()];
    let got = store.read_at(&mut beginning, 0)?;
    Ok(mbox::is_mbox(beginning.get(..got).unwrap_or_default()))
}

/// The regular files in `new` and `cur`, by name: Maildir names begin with the time of delivery.
fn in_maildir(folder: &Path) -> io::Result<Found> {
    let folders = [folder.join("new"), folder.join("cur")];
    if !folders.iter().all(|folder| folder.is_dir()) {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is a folder, but no Maildir with new and cur in it; name the files in it instead",
        ));
    }
    let mut files = Vec::new();
    for folder in &folders {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            // Links are not followed: they lead out of the Maildir.
            if !is_hidden && entry.file_type()?.is_file() {
                files.push((name, entry.path()));
            }
        }
    }
    files.sort();
    let message = |(_, path): (_, PathBuf)| (path.display().to_string(), Source::File(path));
    Ok(files.into_iter().map(message).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: &Message) -> String {
        let loaded = message.load().unwrap();
        let mut text = String::new();
        loaded.reader().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn names(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(Message::name).collect()
    }

    fn found(path: &Path) -> Result<Vec<Message>> {
        messages_with(&[path.to_owned()], false, &mut io::empty())
    }

    fn mbox() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/messages/three.mbox")
    }

    #[test]
    fn a_mail_box_gives_its_messages() {
        let path = mbox();
        let three = found(&path).unwrap();
        let shown = path.display();
        let wanted = [1, 2, 3].map(|number| format!("{shown}:{number}"));
        assert_eq!(names(&three), wanted);
        assert!(sent(&three[0]).ends_with(
            "\n\nThe first.\nFrom here on, a quote is taken off.\n>From here, one of two.\n\
             >from here, none.\n"
        ));
        assert!(sent(&three[1]).ends_with("middle:\nFrom this line begins no message.\n"));
        assert!(sent(&three[2]).ends_with("three\n\n\nTwo empty lines around this.\n\n"));
        assert!(three[2].load().unwrap().removed_bcc);
        // The same from stdin, in memory.
        let bytes = fs::read(&path).unwrap();
        let again = messages_with(&["-".into()], false, &mut bytes.as_slice()).unwrap();
        assert_eq!(names(&again), ["-:1", "-:2", "-:3"]);
        assert_eq!(sent(&again[1]), sent(&three[1]));
    }

    #[test]
    fn a_large_message_of_a_mail_box_is_streamed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.mbox");
        let body = ">From here\n0123456789\n".repeat(10_000);
        let header = "Bcc: a@x\nX: y\n>From z\n\n";
        fs::write(&path, format!("From a\n{header}{body}\nFrom b\nX: z\n")).unwrap();
        let two = found(&path).unwrap();
        let wanted = format!("{header}{body}")
            .replace(">From", "From")
            .replace("Bcc: a@x\n", "");
        for _ in 0..2 {
            assert!(sent(&two[0]) == wanted);
        }
        assert_eq!(sent(&two[1]), "X: z\n");
    }

    #[test]
    fn a_maildir_gives_its_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cur", "new", "tmp", "new/folder"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in [
            "cur/1:2,S",
            "cur/3:2,",
            "new/2",
            "new/4",
            "tmp/0",
            "new/.hidden",
        ] {
            let text = match name {
                "new/4" => "From here a file is a file\n".to_owned(),
                _ => format!("X: {name}\n\n"),
            };
            fs::write(folder.path().join(name), text).unwrap();
        }
        std::os::unix::fs::symlink(mbox(), folder.path().join("new/link")).unwrap();
        let messages = found(folder.path()).unwrap();
        let wanted = ["cur/1:2,S", "new/2", "cur/3:2,", "new/4"];
        let wanted = wanted.map(|name| folder.path().join(name).display().to_string());
        assert_eq!(names(&messages), wanted);
        assert_eq!(sent(&messages[1]), "X: new/2\n\n");
    }

    #[test]
    fn mistakes_are_told_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let error = found(folder.path()).err().unwrap().to_string();
        assert!(error.contains("no Maildir"), "{error}");
        assert!(found(&folder.path().join("nothing")).is_err());
        assert!(found(Path::new("/dev/null")).is_err());
        let twice = ["-".into(), "-".into()];
        assert!(messages_with(&twice, false, &mut io::empty()).is_err());
    }

    #[test]
    fn what_cannot_be_read_does_not_stop_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("missing"), mbox(), folder.path().into()];
        let messages = messages_with(&paths, false, &mut io::empty()).unwrap();
        let loaded = messages.iter().map(|message| message.load().is_ok());
        assert_eq!(loaded.collect::<Vec<_>>(), [false, true, true, true, false]);
        let why = |at: usize| messages[at].load().err().unwrap().to_string();
        assert!(why(0).contains("missing: No such file"), "{}", why(0));
        assert!(why(4).contains("no Maildir"), "{}", why(4));
        assert!(messages[0].whole(100).is_err());
    }

    #[test]
    fn stdin_is_one_message_of_any_size() {
        for length in [0, 10, 200_000] {
            let text = format!("X: y\n\n{}", "z".repeat(length));
            let messages = messages_with(&["-".into()], false, &mut text.as_bytes()).unwrap();
            assert_eq!(names(&messages), ["-"]);
            assert!(sent(&messages[0]) == text);
            assert!(sent(&messages[0]) == text);
        }
        let empty = messages_with(&["-".into()], false, &mut io::empty()).unwrap();
        assert_eq!(sent(&empty[0]), "");
    }
}
