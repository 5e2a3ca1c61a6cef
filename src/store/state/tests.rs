use super::*;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

const ACCOUNT: &str = "me@host:110";

fn open(path: &Path) -> Result<State> {
    State::open(path, ACCOUNT)
}

fn uids(state: &State) -> BTreeSet<String> {
    state.uids().map(str::to_owned).collect()
}

fn record(path: &Path, uids: &[&str]) {
    let mut state = open(path).unwrap();
    for uid in uids {
        state.record(uid, &[1; 32], "new/x");
    }
    state.sync().unwrap();
}

#[test]
fn what_is_recorded_is_known_to_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/x.state");
    let before = SystemTime::now() - Duration::from_secs(2);
    record(&path, &["a", "b c", "ü%", "d"]);
    let mut state = open(&path).unwrap();
    assert!(state.contains("b c") && state.contains("ü%") && !state.contains("b"));
    assert!(state.stored_at("a").unwrap() > before);
    assert_eq!(state.stored_at("e"), None);
    state.forget("a");
    state.forget("never known");
    state.sync().unwrap();
    state.record("not synced", &[1; 32], "");
    drop(state);
    let wanted = ["b c", "d", "ü%"].map(str::to_owned);
    assert_eq!(uids(&open(&path).unwrap()), BTreeSet::from(wanted));
    for name in ["x.state", "x.state.lock"] {
        let metadata = fs::metadata(path.with_file_name(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_torn_line_is_dropped_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.state");
    record(&path, &["a"]);
    let first = fs::read(&path).unwrap();
    record(&path, &["b"]);
    let both = fs::read(&path).unwrap();
    for length in first.len()..=both.len() {
        fs::write(&path, &both[..length]).unwrap();
        let state = open(&path).unwrap();
        assert!(state.contains("a"));
        assert_eq!(state.contains("b"), length == both.len(), "{length}");
        drop(state);
        // What comes next does not stand behind what was torn.
        record(&path, &["c"]);
        let state = open(&path).unwrap();
        assert!(state.contains("a") && state.contains("c"));
    }
}

#[test]
fn damage_is_an_error_that_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.state");
    record(&path, &["a", "b", "c"]);
    let good = fs::read(&path).unwrap();
    let told = || open(&path).err().unwrap().to_string();
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        // The very last line feed makes a torn line of the last line.
        if at + 1 == good.len() {
            assert!(!open(&path).unwrap().contains("c"));
            continue;
        }
        let line = good[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let told = told();
        assert!(told.contains(&format!("line {line} ")), "{at}: {told}");
        assert!(told.contains("--rebuild-state") && told.contains("x.state"));
    }
    for wrong in ["", "proto-state 1 me", "\n", "proto-state 2 x 00000000\n"] {
        fs::write(&path, wrong).unwrap();
        assert!(told().contains("line 1 "), "{wrong:?}");
    }
    // Begun anew, and the damaged one stays.
    assert_eq!(State::open_anew(&path, ACCOUNT).unwrap().uids().count(), 0);
    assert!(open(&path).is_ok());
    assert!(path.with_file_name("x.state.old").exists());
}

#[test]
fn another_account_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.state");
    record(&path, &["a"]);
    let error = State::open(&path, "you").err().unwrap().to_string();
    assert!(error.contains(ACCOUNT), "{error}");
}

#[test]
fn one_run_at_a_time_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.state");
    let first = open(&path).unwrap();
    let error = open(&path).err().unwrap();
    assert!(error.is_transient(), "{error}");
    drop(first);
    open(&path).unwrap();
}

#[test]
fn what_is_out_of_date_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.state");
    let names: Vec<String> = (0..100).map(|number| format!("uid{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    record(&path, &names);
    let full = fs::metadata(&path).unwrap().len();
    let mut state = open(&path).unwrap();
    let since = state.stored_at("uid7");
    for name in names.iter().filter(|name| !name.ends_with('7')) {
        state.forget(name);
    }
    state.sync().unwrap();
    drop(state);
    // What a killed run has left is no hindrance.
    fs::write(path.with_file_name("x.state.new"), "half").unwrap();
    let mut state = open(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < full / 5);
    assert_eq!(state.uids().count(), 10);
    assert_eq!(state.stored_at("uid7"), since);
    state.record("more", &[1; 32], "");
    state.sync().unwrap();
    drop(state);
    assert_eq!(open(&path).unwrap().uids().count(), 11);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!path.with_file_name("x.state.new").exists());
}

#[test]
fn links_and_folders_are_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.state");
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    assert!(open(&path).is_err());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(open(&path).is_err());
    // Reading one of these never ends.
    assert!(open(Path::new("/dev/full")).is_err());
}

#[test]
fn what_is_missing_is_forgotten_when_it_stays_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.state");
    record(&path, &["a", "b", "c"]);
    let start = 1_000_000;
    let look = |seconds: u64, there: &[&str]| {
        let mut state = open(&path).unwrap();
        state.forget_the_gone_at(start + seconds, |uid| there.contains(&uid));
        state.sync().unwrap();
        uids(&state).into_iter().collect::<String>()
    };
    // A listing that is empty once changes nothing.
    assert_eq!(look(0, &[]), "abc");
    assert_eq!(look(GONE - 1, &["b", "c"]), "abc");
    assert_eq!(look(GONE, &["b"]), "bc");
    assert_eq!(look(GONE + 1, &["b"]), "bc");
    assert_eq!(look(2 * GONE, &["b"]), "b");
    // The marks outlive a journal that is written anew.
    look(3 * GONE, &[]);
    for round in 0..2 * WORTH_COMPACTING {
        let mut state = open(&path).unwrap();
        state.record("d", &[1; 32], "");
        state.sync().unwrap();
        assert!(state.contains("b"), "{round}");
    }
    assert_eq!(look(4 * GONE, &["d"]), "d");
}

#[test]
fn the_place_depends_on_protocol_and_account() {
    let place = |state: &str, home: &str| {
        let variable = |name: &str| match name {
            "XDG_STATE_HOME" => Some(OsString::from(state)),
            _ => Some(OsString::from(home)),
        };
        default_path("pop3", "me@h/..", variable).map(|path| path.display().to_string())
    };
    let name = "proto/pop3/me%40h%2F...state";
    assert_eq!(place("/s", "/h").unwrap(), format!("/s/{name}"));
    let home = format!("/h/.local/state/{name}");
    assert_eq!(place("", "/h").unwrap(), home);
    assert_eq!(place("relative", "/h").unwrap(), home);
    assert!(place("", "").is_err());
}

#[test]
#[ignore = "measures"]
fn fifty_thousand_entries_load_quickly() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("x.state");
    let mut state = open(&path).unwrap();
    let started = std::time::Instant::now();
    for number in 0..50_000 {
        let place = format!(
            "new/1763725608.M123456P42Q{number}R9f8e7d6c_{}.proto,S=4096",
            "0".repeat(49)
        );
        state.record(&format!("{number:08x}6546d3ff"), &[7; 32], &place);
    }
    state.sync().unwrap();
    eprintln!("recorded in {:?}", started.elapsed());
    drop(state);
    let started = std::time::Instant::now();
    assert_eq!(open(&path).unwrap().uids().count(), 50_000);
    eprintln!("loaded in {:?}", started.elapsed());
}
