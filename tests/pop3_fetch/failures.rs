//! What goes wrong, and that no message is lost by it, nor stored twice.

use std::process::Stdio;
use std::sync::{mpsc, Arc, Mutex};

use super::*;
use proto_mock::{Options, Peer, Server};

/// A server with small messages that does what the rules say.
fn ruled(count: usize, rules: &[&str]) -> Post {
    let messages: Vec<Vec<u8>> = (1..=count).map(|number| message(number, 1)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut drop = maildrop(&messages);
    drop.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Post::with(drop, Options::default())
}

#[test]
fn after_a_lost_connection_it_goes_on_without_storing_twice() {
    for (what, rule) in [
        ("--maildir", "retr=3 count=1 drop"),
        ("--mbox", "retr=3 count=1 drop"),
        ("--eml-dir", "retr=3 count=1 reset"),
        ("--mbox", "dele=2 count=1 drop"),
        ("--mbox", "quit count=1 drop"),
        ("--mbox", "login count=1 reply=-ERR [IN-USE] later"),
        ("--mbox", "connect count=1 reply=-ERR [SYS/TEMP] busy"),
    ] {
        let post = ruled(5, &[rule]);
        let folder = folder();
        let options = [what, "mail", "--retry", "1", "--delete"];
        let run = fetch(&post, folder.path(), &options);
        let run = run.exits(0).says("trying again");
        assert_eq!(words(&run), ["stored"; 5], "{rule}");
        let mail = folder.path().join("mail");
        let stored = match what {
            "--maildir" => read_maildir(&mail).len(),
            "--mbox" => read_mbox(&fs::read(&mail).unwrap()).len(),
            _ => names(&mail).len(),
        };
        assert_eq!(stored, 5, "{rule}");
        assert_eq!(post.maildrop.messages_left(), [""; 0], "{rule}");
    }
}

#[test]
fn stdout_gets_no_message_twice() {
    let mut drop = maildrop(&[&message(1, 1), &message(2, 100), &message(3, 1)]);
    drop.rules.push("retr=3 count=1 drop".parse().unwrap());
    let post = Post::with(drop, Options::default());
    let folder = folder();
    let run = fetch(&post, folder.path(), &["--retry", "1"]).exits(0);
    let wanted = [message(1, 1), message(2, 100), message(3, 1)];
    assert!(read_mbox(&run.stdout) == wanted);
}

#[test]
fn what_was_refused_is_told_and_stays() {
    let post = ruled(3, &["retr=2 reply=-ERR [SYS/PERM] gone"]);
    let folder = folder();
    let options = ["--maildir", "mail", "--delete", "--retry", "3"];
    let run = fetch(&post, folder.path(), &options)
        .exits(69)
        .says("[SYS/PERM] gone");
    let mut rows = words(&run);
    rows.sort();
    assert_eq!(rows, ["not-stored", "stored", "stored"]);
    assert_eq!(post.maildrop.messages_left().len(), 1);
    assert_eq!(post.heard_of("QUIT").len(), 1);
}

#[test]
fn a_command_may_refuse_a_message() {
    for (status, code) in [(75, 75), (1, 75), (65, 69), (67, 69)] {
        let post = ruled(3, &[]);
        let folder = folder();
        let command = format!("sh -c 'if grep -q \"message 2\"; then exit {status}; fi'");
        let options = ["--deliver", &command, "--delete"];
        let run = fetch(&post, folder.path(), &options).exits(code);
        let mut rows = words(&run);
        rows.sort();
        assert_eq!(rows, ["not-stored", "stored", "stored"]);
        assert_eq!(post.maildrop.messages_left().len(), 1);
        // The next run brings it alone.
        let run = fetch(&post, folder.path(), &["--deliver", "true", "--delete"]).exits(0);
        assert_eq!(words(&run), ["stored"]);
    }
}

#[test]
fn a_command_that_is_not_there_ends_the_run() {
    let post = ruled(3, &[]);
    let folder = folder();
    let options = ["--deliver", "/nonexistent/command", "--delete"];
    fetch(&post, folder.path(), &options).exits(74);
    assert_eq!(post.maildrop.messages_left().len(), 3);
    assert_eq!(post.heard_of("QUIT"), [""; 0]);
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_before_anything_is_said() {
    let post = ruled(1, &[]);
    let folder = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    for place in [
        ["--maildir", "file"],
        ["--eml-dir", "file"],
        ["--mbox", "file/x"],
    ] {
        fetch(&post, folder.path(), &place).exits(74);
    }
    assert_eq!(post.heard(), [""; 0]);
}

/// A small file system, if we may have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<SmallDisk> {
        let folder = folder();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "none"]);
        let mounted = mount.arg(folder.path()).stderr(Stdio::null()).status();
        let is_mounted = mounted.is_ok_and(|status| status.success());
        is_mounted.then(|| SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    for store in ["--maildir", "--eml-dir", "--mbox"] {
        let Some(disk) = SmallDisk::new() else {
            return;
        };
        let messages: Vec<Vec<u8>> = (1..=6).map(|number| message(number, 2_000)).collect();
        let pieces: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let post = Post::of(&pieces);
        let folder = folder();
        let mail = disk.0.path().join("mail");
        let place = mail.to_str().unwrap();
        let filler = disk.0.path().join("filler");
        fs::write(&filler, vec![0; 100_000]).unwrap();
        let options = [store, place, "--delete"];
        let run = fetch(&post, folder.path(), &options).exits(74);
        assert!(run.stderr.contains("No space left"), "{}", run.stderr);
        assert_eq!(post.maildrop.messages_left().len(), 6, "{store}");
        let read = || match store {
            "--maildir" => read_maildir(&mail),
            "--eml-dir" => read_folder(&mail),
            _ => read_mbox(&fs::read(&mail).unwrap_or_default()),
        };
        let is_whole = |stored: &Vec<u8>| {
            let text = with_line_feeds(stored);
            messages.contains(&text)
        };
        assert!(read().iter().all(is_whole), "{store}");
        // With more room, it is completed.
        fs::remove_file(&filler).unwrap();
        let mut remount = Command::new("mount");
        remount.args(["-o", "remount,size=8m"]).arg(disk.0.path());
        assert!(remount.status().unwrap().success());
        fetch(&post, folder.path(), &options).exits(0);
        let all: Vec<Vec<u8>> = read().iter().map(|text| with_line_feeds(text)).collect();
        assert!(sorted(all) == messages, "{store}");
        assert_eq!(post.maildrop.messages_left().len(), 0);
    }
}

#[test]
fn a_full_disk_under_the_state_deletes_nothing() {
    let Some(disk) = SmallDisk::new() else {
        return;
    };
    let post = ruled(3, &[]);
    let folder = folder();
    let state = disk.0.path().join("state");
    let options = [
        "--maildir",
        "mail",
        "--delete",
        "--state",
        state.to_str().unwrap(),
    ];
    let filler = disk.0.path().join("filler");
    let _ = fs::write(&filler, vec![0; 1 << 20]);
    fetch(&post, folder.path(), &options).exits(74);
    assert_eq!(post.maildrop.messages_left().len(), 3);
    fs::remove_file(&filler).unwrap();
    fetch(&post, folder.path(), &options).exits(0);
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
    assert_eq!(post.maildrop.messages_left().len(), 0);
}

/// When the server hears DELE, the message has its place, and the state has it too.
#[test]
fn what_is_to_be_deleted_is_stored_before() {
    let folder = folder();
    let path = folder.path().to_owned();
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let service = move |peer: &mut Peer, _: usize| {
        peer.write_all(b"+OK ready\r\n")?;
        peer.flush()?;
        while let Some(line) = peer.read_line()? {
            let line = String::from_utf8_lossy(&line).into_owned();
            let reply: &[u8] = match line.split(' ').next().unwrap_or_default() {
                "CAPA" => b"+OK\r\nUSER\r\nPIPELINING\r\n.\r\n",
                "LIST" => b"+OK\r\n1 7\r\n2 7\r\n.\r\n",
                "UIDL" => b"+OK\r\n1 first\r\n2 second\r\n.\r\n",
                "RETR" => b"+OK\r\nA: b\r\n\r\n.\r\n",
                "DELE" => {
                    let state = fs::read_to_string(path.join("state")).unwrap_or_default();
                    let count = names(&path.join("mail/new")).len();
                    let _ = tell
                        .lock()
                        .unwrap()
                        .send((count, state.matches("\n+ ").count()));
                    b"+OK\r\n"
                }
                _ => b"+OK\r\n",
            };
            peer.write_all(reply)?;
            peer.flush()?;
        }
        Ok(())
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    let url = format!("pop3://fred:pencil@localhost:{}", server.port());
    let options = ["--maildir", "mail", "--state", "state", "--delete"];
    let mut command = fetching(&url, folder.path(), &options);
    Run::from(command.output().unwrap()).exits(0);
    let seen: Vec<(usize, usize)> = told.try_iter().collect();
    assert_eq!(seen, [(2, 2), (2, 2)]);
}
