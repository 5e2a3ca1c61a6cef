use super::super::digest::digest;
use super::super::incoming::SMALL;
use super::*;
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn store(maildir: &mut Maildir, uid: &str, flags: &str, bytes: &[u8]) -> Kept {
    begin(maildir, uid, flags);
    for part in bytes.chunks(100_000) {
        maildir.write(part).unwrap();
    }
    maildir.end().unwrap()
}

fn begin(maildir: &mut Maildir, uid: &str, flags: &str) {
    let about = About {
        uid,
        flags,
        date: Some(UNIX_EPOCH + Duration::from_secs(1_000_000)),
    };
    maildir.begin(&about).unwrap();
}

fn names(path: &Path, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(path.join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// How many files are in tmp, new and cur.
fn counts(path: &Path) -> [usize; 3] {
    ["tmp", "new", "cur"].map(|folder| names(path, folder).len())
}

/// A run ends at once, as by a signal that cannot be caught.
fn kill(maildir: Maildir) {
    std::mem::forget(maildir);
}

#[test]
fn a_message_is_there_when_it_is_durable() {
    for unnamed in [0, usize::MAX] {
        messages_are_there_when_they_are_durable(unnamed);
    }
}

fn messages_are_there_when_they_are_durable(unnamed: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let mut maildir = Maildir::open(&path).unwrap();
    maildir.batch.allow_unnamed(unnamed);
    let large = b"line\r\n".repeat(SMALL / 3);
    let kept = [
        store(&mut maildir, "1", "", b"A: b\r\n\r\nc\r\n"),
        store(&mut maildir, "2", "SFS", &large),
    ];
    // The small one is still in memory.
    assert_eq!(counts(&path), [usize::from(unnamed == 0), 0, 0]);
    maildir.sync().unwrap();
    assert_eq!(counts(&path), [0, 1, 1]);
    let bytes = fs::read(path.join(&kept[0].place)).unwrap();
    assert_eq!(bytes, b"A: b\n\nc\n");
    assert_eq!(kept[0].hash, digest(&bytes));
    assert!(kept[0].place.ends_with(".proto,S=8"), "{}", kept[0].place);
    let bytes = fs::read(path.join(&kept[1].place)).unwrap();
    assert!(bytes == b"line\n".repeat(SMALL / 3));
    assert!(kept[1].place.ends_with(":2,FS"), "{}", kept[1].place);
    for one in &kept {
        let metadata = fs::metadata(path.join(&one.place)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let time = metadata.modified().unwrap().duration_since(UNIX_EPOCH);
        assert_eq!(time.unwrap().as_secs(), 1_000_000);
    }
    let mode = fs::metadata(path.join("tmp")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn what_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for size in [10, SMALL + 10] {
        let mut maildir = Maildir::open(path).unwrap();
        let bytes = vec![b'x'; size];
        begin(&mut maildir, "1", "");
        maildir.write(&bytes).unwrap();
        maildir.abandon();
        assert_eq!(counts(path), [0, 0, 0]);
        // The next begins while one is open.
        begin(&mut maildir, "1", "");
        maildir.write(&bytes).unwrap();
        begin(&mut maildir, "2", "");
        assert_eq!(counts(path), [0, 0, 0]);
        maildir.write(b"y").unwrap();
        assert_eq!(maildir.end().unwrap().hash, digest(b"y"));
    }
    let mut maildir = Maildir::open(path).unwrap();
    begin(&mut maildir, "3", "");
    maildir.write(&vec![b'x'; SMALL + 1]).unwrap();
    drop(maildir);
    assert_eq!(counts(path), [0, 0, 0]);
}

#[test]
fn names_never_meet() {
    let folder = tempfile::tempdir().unwrap();
    let mut places = HashSet::new();
    for _ in 0..3 {
        let mut maildir = Maildir::open(folder.path()).unwrap();
        for number in 0..100 {
            let uid = format!("{number}");
            places.insert(store(&mut maildir, &uid, "", uid.as_bytes()).place);
        }
        // Not synced, so that the next run stores them anew.
        drop(maildir);
    }
    assert_eq!(places.len(), 300);
}

#[test]
fn same_bytes_under_two_uids_are_two_messages() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..3 {
        let mut maildir = Maildir::open(folder.path()).unwrap();
        for uid in ["a", "b"] {
            store(&mut maildir, &format!("{uid}{run}"), "", b"same");
        }
        maildir.sync().unwrap();
        assert_eq!(counts(folder.path()), [0, 2 * run, 0]);
    }
    // A server may even give two of them the same name.
    let mut maildir = Maildir::open(folder.path()).unwrap();
    store(&mut maildir, "c", "", b"same");
    maildir.sync().unwrap();
    store(&mut maildir, "c", "", b"same");
    maildir.sync().unwrap();
    assert_eq!(counts(folder.path()), [0, 6, 0]);
}

#[test]
fn a_killed_run_loses_and_doubles_nothing() {
    let messages = [b"small".to_vec(), vec![b'l'; SMALL + 5]];
    // How far the run came, how many files needed no name, and what it left in tmp and new.
    for (steps, unnamed, left) in [
        (0, 0, [0, 0]),
        (1, 0, [1, 0]),
        (1, 9, [0, 0]),
        (2, 0, [0, 2]),
        (2, 9, [0, 2]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut maildir = Maildir::open(path).unwrap();
        maildir.batch.allow_unnamed(unnamed);
        store(&mut maildir, "1", "", &messages[0]);
        if steps > 0 {
            store(&mut maildir, "2", "", &messages[1]);
        }
        if steps > 1 {
            maildir.sync().unwrap();
        }
        kill(maildir);
        assert_eq!(counts(path)[..2], left);
        for again in ["", "S"] {
            let mut maildir = Maildir::open(path).unwrap();
            for (uid, bytes) in ["1", "2"].iter().zip(&messages) {
                let kept = store(&mut maildir, uid, again, bytes);
                assert_eq!(kept.hash, digest(bytes));
            }
            maildir.sync().unwrap();
            assert_eq!(counts(path), [left[0], 2, 0], "{steps} {again:?}");
        }
    }
}

#[test]
fn only_the_very_message_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut maildir = Maildir::open(path).unwrap();
    let first = store(&mut maildir, "1", "", b"first");
    maildir.sync().unwrap();
    drop(maildir);
    // A mail reader has read it.
    let name = first.place.strip_prefix("new/").unwrap();
    let read = path.join(format!("cur/{name}:2,S"));
    fs::rename(path.join(&first.place), &read).unwrap();
    let mut maildir = Maildir::open(path).unwrap();
    let again = store(&mut maildir, "1", "", b"first");
    assert_eq!(path.join(again.place), read);
    drop(maildir);
    // Somebody has changed it, and it is as long as before.
    fs::write(&read, "FIRST").unwrap();
    let mut maildir = Maildir::open(path).unwrap();
    store(&mut maildir, "1", "", b"first");
    maildir.sync().unwrap();
    drop(maildir);
    assert_eq!(counts(path), [0, 1, 1]);
    // A link is none of ours.
    let name = names(path, "new").remove(0);
    fs::rename(path.join("new").join(&name), path.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(path.join("elsewhere"), path.join("new").join(&name)).unwrap();
    fs::remove_file(&read).unwrap();
    let mut maildir = Maildir::open(path).unwrap();
    begin(&mut maildir, "1", "");
    maildir.write(b"first").unwrap();
    let kept = maildir.end().unwrap();
    maildir.sync().unwrap();
    assert!(fs::symlink_metadata(path.join(kept.place))
        .unwrap()
        .is_file());
}

#[test]
fn names_of_ours_are_told_from_others() {
    let ours = format!("_{}_{}", "0".repeat(32), "f".repeat(16));
    for (name, wanted) in [
        (format!("1.M2{ours}.proto,S=3"), Some(ours.as_str())),
        (format!("1.M2{ours}.proto,S=3,W=4:2,S"), Some(&ours)),
        (format!("{ours}.proto,S=3"), Some(&ours)),
        (format!("1.M2{}.proto,S=3", &ours[1..]), None),
        ("1.M2P3.host,S=3:2,".into(), None),
        (".proto,S=".into(), None),
        ("ü.proto,S=1".into(), None),
        (format!("é{}.proto,S=1", "é".repeat(25)), None),
    ] {
        assert_eq!(identity(&name), wanted, "{name}");
    }
}

#[test]
fn flags_are_letters() {
    assert_eq!(checked("SRFS").unwrap(), "FRS");
    for wrong in ["S,", "../x", "S\0", "é", ":2,S"] {
        assert!(checked(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn folders_that_are_links_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/tmp", folder.path().join("new")).unwrap();
    assert!(Maildir::open(folder.path()).is_err());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(Maildir::open(&file).is_err());
}

#[test]
#[ignore = "measures"]
fn five_thousand_messages() {
    for place in ["/dev/shm", "."] {
        for batch in [100, 1000] {
            let folder = tempfile::tempdir_in(place).unwrap();
            let mut maildir = Maildir::open(folder.path()).unwrap();
            let message = format!("{}\r\n", "x".repeat(68)).repeat(58);
            let started = std::time::Instant::now();
            for number in 0..5_000 {
                let uid = format!("{number}");
                begin(&mut maildir, &uid, "");
                maildir.write(message.as_bytes()).unwrap();
                maildir.write(uid.as_bytes()).unwrap();
                maildir.end().unwrap();
                if number % batch == batch - 1 {
                    maildir.sync().unwrap();
                }
            }
            let each = started.elapsed() / 5_000;
            eprintln!("{place}, batches of {batch}: {each:?} a message");
        }
    }
}
