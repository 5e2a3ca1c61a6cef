//! The way into a maildrop: upgrades that are prevented or forged, certificates that prove nothing,
//! mechanisms that a server would rather have.

use super::*;
use crate::harness::tls_as;

/// A maildrop that does what the rules say and has none of these capabilities.
fn ruled(rules: &[&str], without: &[&str], options: Options) -> Post {
    let mut drop = maildrop(&MESSAGES);
    drop.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    drop.without = without.iter().map(|name| (*name).to_owned()).collect();
    Post::with(drop, options)
}

/// Whether somebody has tried to log in.
fn is_asked_in(post: &Post) -> bool {
    let heard = post.heard();
    let verbs = ["USER", "PASS", "APOP", "AUTH"];
    heard
        .iter()
        .any(|line| verbs.iter().any(|verb| line.starts_with(verb)))
}

/// How many connections have said something.
fn connections(post: &Post) -> usize {
    let mut seen: Vec<_> = post.maildrop.commands();
    seen.dedup_by_key(|(connection, _)| *connection);
    seen.len()
}

#[test]
fn an_upgrade_that_is_prevented_is_no_reason_to_do_without() {
    for (rule, without) in [
        ("", "STLS"),
        ("", "CAPA"),
        ("capa reply=-ERR what?", ""),
        ("capa reply=+OK\\nSASL PLAIN\\n.", ""),
        ("stls reply=-ERR no", ""),
        ("stls reply=-ERR [SYS/TEMP] not now", ""),
        ("stls reply=+ ", ""),
        ("stls reply=+ eA==", ""),
        ("stls reply=220 go ahead", ""),
        ("stls reply=* OK", ""),
        ("stls reply=+OKAY", ""),
    ] {
        let rules: &[&str] = if rule.is_empty() { &[] } else { &[rule] };
        let without: &[&str] = if without.is_empty() { &[] } else { &[without] };
        let post = ruled(rules, without, Options::default());
        let folder = folder();
        let options = [&STORE[..], &["--starttls", "--retry", "2"]].concat();
        let run = run("pop3-fetch", &post.url(), folder.path(), &options);
        assert_eq!(run.code, 76, "{rule} {without:?}: {run:?}");
        assert_eq!(connections(&post), 1, "{rule} {without:?}");
        assert!(
            !is_asked_in(&post),
            "{rule} {without:?}: {:?}",
            post.heard()
        );
        assert_eq!(post.maildrop.deleted().len(), 0);
    }
}

#[test]
fn every_connection_is_upgraded_anew() {
    let post = ruled(&["retr=2 count=1 drop"], &[], Options::default());
    let folder = folder();
    let options = [&STORE[..], &["--starttls", "--retry", "1"]].concat();
    let run = run("pop3-fetch", &post.url(), folder.path(), &options);
    assert_eq!(run.code, 0, "{run:?}");
    let heard = post.heard();
    let said = heard.iter().filter(|line| *line == "STLS").count();
    assert_eq!((said, connections(&post)), (2, 2), "{heard:?}");
    assert_safe(&post.maildrop, folder.path(), &run, "upgraded twice");
}

/// What an attacker offers before the upgrade does not choose the mechanism behind it, whether it
/// is more or less than there is.
#[test]
fn what_was_offered_in_the_clear_counts_no_more() {
    for (before, behind, said) in [
        ("LOGIN", "PLAIN", "PLAIN (any)"),
        ("PLAIN", "LOGIN", "LOGIN"),
    ] {
        let answers = match behind {
            "PLAIN" => "",
            _ => "S: + VXNlcm5hbWU6\nC: (any)\nS: + UGFzc3dvcmQ6\nC: (any)\n",
        };
        let script = Script::play(&format!(
            "S: +OK from an attacker\nC: CAPA\nS: +OK\nS: SASL {before}\nS: STLS\nS: .\nC: STLS\n\
             S: +OK\n= tls\nC: CAPA\nS: +OK\nS: SASL {behind}\nS: .\nC: AUTH {said}\n{answers}\
             S: +OK\nC: CAPA\nS: +OK\nS: .\nC: LIST\nS: +OK\nS: .\nC: UIDL\nS: +OK\nS: .\n\
             C: QUIT\nS: +OK\n"
        ));
        let folder = folder();
        let url = format!("pop3://fred:pencil@localhost:{}", script.server.port());
        let run = run("pop3-list", &url, folder.path(), &["--starttls"]);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(script.replay.outcome(), Outcome::AsWritten);
        // Nobody vouches for the greeting, so nobody is shown it.
        assert!(!format!("{}{}", run.text(), run.stderr).contains("attacker"));
    }
}

#[test]
fn a_server_that_does_not_prove_its_name_learns_nothing() {
    for name in ["expired", "selfsigned", "wrong"] {
        let post = ruled(&[], &[], tls_as(name));
        let folder = folder();
        let run = run("pop3-fetch", &post.url(), folder.path(), &STORE);
        assert_eq!(run.code, 77, "{name}: {run:?}");
        assert_eq!(post.heard(), [""; 0]);
    }
}

#[test]
fn a_server_in_the_clear_is_no_server_with_tls() {
    let post = ruled(&[], &[], Options::default());
    let folder = folder();
    let url = post.url().replace("pop3://", "pop3s://");
    let run = run("pop3-fetch", &url, folder.path(), &STORE);
    assert_eq!(run.code, 76, "{run:?}");
    assert!(run.stderr.contains("+OK"), "{}", run.stderr);
    assert_eq!(post.heard_of("USER"), [""; 0]);
}

/// Whoever hears the answer can try passwords on it at leisure, so it is given on demand alone.
#[test]
fn cram_md5_is_not_chosen_because_there_is_nothing_else() {
    for options in [Options::default(), tls()] {
        let offer = "capa reply=+OK\\nSASL CRAM-MD5\\n.";
        let post = ruled(&[offer], &[], options);
        let folder = folder();
        run("pop3-list", &post.url(), folder.path(), &[]);
        assert_eq!(post.heard_of("AUTH"), [""; 0]);
        assert_eq!(post.heard_of("APOP"), [""; 0]);
    }
}

#[test]
fn nul_is_data_in_messages_and_harmless_elsewhere() {
    let message: &[u8] = b"A: \0\r\n\r\n\0\r\n.\0\r\n";
    let post = Post::of(&[message]);
    let folder = folder();
    let run = run("pop3-fetch", &post.url(), folder.path(), &STORE);
    let mail = folder.path().join("mail");
    let [name] = &names(&mail)[..] else {
        panic!("{run:?}");
    };
    assert_eq!(fs::read(mail.join(name)).unwrap(), message);
    for refused in ["", "CAPA", "USER", "LIST", "UIDL", "RETR"] {
        let server = with_nul(refused);
        let folder = self::folder();
        let run = self::run("pop3-fetch", &url_of(&server), folder.path(), &STORE);
        let is_fetched = ["CAPA", "UIDL"].contains(&refused);
        assert_eq!(run.code == 0, is_fetched, "{refused:?}: {run:?}");
        let stored = names(&folder.path().join("mail")).len();
        assert_eq!(stored, usize::from(is_fetched), "{refused:?}");
    }
}

/// A server that has a NUL in every line, and refuses one of the commands; the greeting is that of
/// no command.
fn with_nul(refused: &'static str) -> Server {
    let service = move |peer: &mut Peer, _: usize| {
        let mut heard = Vec::new();
        loop {
            let verb = heard.split(|byte| *byte == b' ').next().unwrap_or_default();
            let reply: &[u8] = match verb {
                _ if verb == refused.as_bytes() => b"-ERR \0 no\r\n",
                b"CAPA" => b"+OK \0\r\n\0\r\n.\r\n",
                b"LIST" => b"+OK \0\r\n1 \0\r\n.\r\n",
                b"UIDL" => b"+OK \0\r\n1 a\0b\r\n.\r\n",
                b"RETR" | b"TOP" => b"+OK \0\r\n\0\r\n.\r\n",
                _ => b"+OK \0\r\n",
            };
            peer.write_all(reply)?;
            peer.flush()?;
            match peer.read_line()? {
                Some(line) => heard = line,
                None => return Ok(()),
            }
        }
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}
