//! What is remembered from run to run.

use std::process::Stdio;
use std::sync::mpsc;
use std::sync::Mutex;

use super::*;
use crate::harness::Running;
use proto_mock::pop3::News;

#[test]
fn the_state_is_named_after_the_account() {
    let post = post(1);
    let folder = folder();
    fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    let states = folder.path().join("states/proto/pop3");
    let found = names(&states);
    let of_account = |name: &&String| name.ends_with(".state");
    let found: Vec<&String> = found.iter().filter(of_account).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("fred%40localhost%3A"), "{found:?}");
    let state = fs::read_to_string(states.join(found[0])).unwrap();
    assert!(!state.contains("pencil"));
    assert!(state.contains(&post.maildrop.messages_left()[0]));
}

#[test]
fn the_state_may_be_elsewhere() {
    let post = post(2);
    let folder = folder();
    let options = ["--maildir", "mail", "--state", "here/state"];
    fetch(&post, folder.path(), &options).exits(0);
    assert!(folder.path().join("here/state").exists());
    assert!(!folder.path().join("states").exists());
    let run = fetch(&post, folder.path(), &options).exits(0);
    assert_eq!(run.text(), "");
    // Another file, another memory.
    let other = ["--mbox", "box", "--state", "other"];
    assert_eq!(
        words(&fetch(&post, folder.path(), &other).exits(0)).len(),
        2
    );
}

#[test]
fn a_state_of_another_account_is_refused() {
    let folder = folder();
    let options = ["--maildir", "mail", "--state", "state"];
    fetch(&post(1), folder.path(), &options).exits(0);
    let other = post(1);
    fetch(&other, folder.path(), &options)
        .exits(74)
        .says("belongs to fred@localhost:");
    assert_eq!(other.heard(), [""; 0]);
}

#[test]
fn a_damaged_state_is_told_with_its_line() {
    let post = post(3);
    let folder = folder();
    let options = ["--maildir", "mail", "--delete", "--state", "state"];
    fetch(
        &post,
        folder.path(),
        &["--maildir", "mail", "--state", "state"],
    )
    .exits(0);
    let path = folder.path().join("state");
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    assert_eq!(lines.len(), 4, "{good}");
    let heard = post.heard().len();
    for (at, told) in [
        (0, "line 1 "),
        (1, "line 2 is damaged"),
        (2, "line 3 is damaged"),
    ] {
        let mut damaged = lines.clone();
        let line = damaged[at].replacen(' ', "  ", 1);
        damaged[at] = &line;
        fs::write(&path, damaged.join("\n") + "\n").unwrap();
        let run = fetch(&post, folder.path(), &options).exits(74);
        assert!(
            run.stderr.contains("state") && run.stderr.contains(told),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("--rebuild-state"), "{}", run.stderr);
    }
    fs::write(&path, "").unwrap();
    fetch(&post, folder.path(), &options)
        .exits(74)
        .says("line 1");
    assert_eq!(post.heard().len(), heard, "nothing is said to the server");
    assert_eq!(post.maildrop.messages_left().len(), 3);
    // Anew: what the store has is recognised.
    let anew = [&options[..], &["--rebuild-state"]].concat();
    fetch(&post, folder.path(), &anew).exits(0);
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
    assert_eq!(post.maildrop.messages_left().len(), 0);
}

#[test]
fn a_line_that_a_killed_run_has_torn_does_no_harm() {
    let post = post(3);
    let folder = folder();
    let options = ["--maildir", "mail", "--state", "state"];
    fetch(&post, folder.path(), &options).exits(0);
    let path = folder.path().join("state");
    let good = fs::read(&path).unwrap();
    let last = good.len()
        - good
            .split_inclusive(|b| *b == b'\n')
            .next_back()
            .unwrap()
            .len();
    for end in [last, last + 1, good.len() - 1] {
        fs::write(&path, &good[..end]).unwrap();
        let run = fetch(&post, folder.path(), &options).exits(0);
        assert_eq!(words(&run), ["stored"]);
        assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
    }
}

#[test]
fn a_state_without_its_store_can_be_rebuilt() {
    let post = post(3);
    for store in [["--maildir", "mail"], ["--eml-dir", "mail"]] {
        let folder = folder();
        fetch(&post, folder.path(), &store).exits(0);
        let run = fetch(
            &post,
            folder.path(),
            &[&store[..], &["--rebuild-state"]].concat(),
        );
        assert_eq!(words(&run.exits(0)), ["stored"; 3]);
        let stored = match store[0] {
            "--maildir" => read_maildir(&folder.path().join("mail")),
            _ => read_folder(&folder.path().join("mail")),
        };
        assert_eq!(stored.len(), 3);
    }
}

#[test]
fn two_runs_at_once_do_not_get_in_each_others_way() {
    let (is_in, logged_in) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let mut drop = maildrop(&[b"A: b\n\nc\n"]);
    drop.notify = Some(Box::new(move |news| {
        if let News::Login { .. } = news {
            let _ = is_in.send(());
            let _ = may_go_on.lock().unwrap().recv();
        }
    }));
    let post = Post::with(drop, proto_mock::Options::default());
    let folder = folder();
    let options = ["--maildir", "mail"];
    let mut first = fetching(&post.url(), folder.path(), &options);
    let mut first = Running(first.stdout(Stdio::null()).spawn().unwrap());
    logged_in.recv().unwrap();
    fetch(&post, folder.path(), &options)
        .exits(75)
        .says("another run is using it");
    go_on.send(()).unwrap();
    assert!(first.0.wait().unwrap().success());
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 1);
    assert_eq!(post.heard_of("RETR").len(), 1);
}

#[test]
fn without_a_place_for_the_state_nothing_is_fetched() {
    let post = post(1);
    let folder = folder();
    let mut command = fetching(&post.url(), folder.path(), &["--maildir", "mail"]);
    command.env_remove("XDG_STATE_HOME").env_remove("HOME");
    Run::from(command.output().unwrap())
        .exits(64)
        .says("XDG_STATE_HOME");
    assert_eq!(post.heard(), [""; 0]);
}
