//! Conversations over `Memory`, and over loopback where a data connection is needed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use proto_transport::{Error, Memory, Said};

use super::*;
use crate::client::{Client, Login};
use crate::data::Mode;
use crate::listing::Line;
use crate::reply::No;
use crate::target::Target;

fn session(features: &str, heard: &str) -> (Session, Said) {
    let features = match features {
        "" => "502 ?\r\n".to_owned(),
        _ => format!(
            "211-x\r\n {}\r\n211 end\r\n",
            features.replace('|', "\r\n ")
        ),
    };
    let before = ["220 hi\r\n", "230 in\r\n", features.as_str()];
    let memory = Memory::in_pieces(before.into_iter().chain(heard.split_inclusive('\n')));
    let said = memory.said();
    let target = Target::parse("ftp://127.0.0.1").unwrap();
    let connector = Connector::default();
    let client = Client::over(Connection::over(memory), &connector, &target).unwrap();
    (client.log_in(&Login::anonymous(), true).unwrap(), said)
}

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

/// What was said behind the login.
fn after_login(said: &Said) -> String {
    let text = said.text();
    text.split_once("FEAT\r\n").unwrap().1.to_owned()
}

/// A server of one conversation, which a test plays.
struct Server {
    control: BufReader<TcpStream>,
    listener: TcpListener,
}

impl Server {
    fn say(&mut self, text: &str) {
        let line = format!("{text}\r\n");
        self.control.get_mut().write_all(line.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.control.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn expect(&mut self, line: &str, reply: &str) {
        assert_eq!(self.hear(), line);
        self.say(reply);
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    fn passive(&mut self) {
        let reply = format!("229 ok (|||{}|)", self.port());
        self.expect("EPSV", &reply);
    }

    fn data(&self) -> TcpStream {
        self.listener.accept().unwrap().0
    }
}

fn serve(play: impl FnOnce(&mut Server) + Send + 'static) -> (Session, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let control = BufReader::new(listener.accept().unwrap().0);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = Server { control, listener };
        server.say("220 hi");
        server.expect("USER anonymous", "230 in");
        server.expect("FEAT", "502 ?");
        play(&mut server);
    });
    let target = Target::parse(&format!("ftp://127.0.0.1:{port}")).unwrap();
    let client = Client::connect(&Connector::default(), &target).unwrap();
    (client.log_in(&Login::anonymous(), true).unwrap(), thread)
}

fn get(session: &mut Session, offset: u64) -> (Result<()>, Vec<u8>) {
    let mut found = Vec::new();
    let result = session.get(&path("f"), offset, &mut |body| {
        while let Some(part) = body.next_part()? {
            found.extend_from_slice(part);
        }
        Ok(())
    });
    (result, found)
}

#[test]
fn names_and_their_replies() {
    let heard = "257 \"/a\"\"b\" here\r\n250 ok\r\n213 20200102030405\r\n213 ok\r\n250 gone\r\n\
        350 go on\r\n250 ok\r\n257 \"/x\" made\r\n250 ok\r\n221 bye\r\n";
    let (mut session, said) = session("", heard);
    assert_eq!(session.working_folder().unwrap(), path("/a\"b"));
    session.change_folder(&path("..")).unwrap();
    let moment = session.modified(&path("f")).unwrap();
    session.set_modified(&path("f"), moment).unwrap();
    session.delete(&path("f")).unwrap();
    session.rename(&path("a"), &path("b")).unwrap();
    assert_eq!(session.make_folder(&path("x")).unwrap(), Some(path("/x")));
    session.remove_folder(&path("x")).unwrap();
    session.quit();
    assert_eq!(
        after_login(&said),
        "PWD\r\nCWD ..\r\nMDTM f\r\nMFMT 20200102030405 f\r\nDELE f\r\nRNFR a\r\nRNTO b\r\nMKD x\r\nRMD x\r\nQUIT\r\n"
    );
}

#[test]
fn each_no_has_its_meaning_and_odd_replies_are_none() {
    for (reply, no) in [
        ("550 none", No::Missing),
        ("450 busy", No::Busy),
        ("552 full", No::NoSpace),
        ("553 name", No::Name),
        ("530 log in", No::NeedsLogin),
        ("421 bye", No::Unavailable),
        ("502 what", No::Unsupported),
    ] {
        let (mut session, _) = session("", &format!("{reply}\r\n"));
        let error = session.delete(&path("f")).unwrap_err();
        assert_eq!(No::of(&error), Some(no), "{reply}");
    }
    for wrong in ["150 go", "350 more", "331 pass"] {
        let (mut session, _) = session("", &format!("{wrong}\r\n"));
        let error = session.delete(&path("f")).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{wrong}: {error}");
    }
    let (mut session, _) = session("", "522 reuse\r\n");
    let error = session.delete(&path("f")).unwrap_err();
    assert!(
        matches!(error, Error::Insecure { .. }) && error.to_string().contains("require_ssl_reuse")
    );
}

#[test]
fn digests_by_what_is_offered() {
    let sha = "a".repeat(64);
    let heard =
        format!("200 I\r\n200 ok\r\n213 SHA-256 0-9 {sha} f\r\n213 SHA-256 0-9 {sha} f\r\n");
    let (mut first, said) = session("HASH MD5*;SHA-256", &heard);
    for _ in 0..2 {
        assert_eq!(first.hash(&path("f")).unwrap().unwrap().hex, sha);
    }
    assert_eq!(
        after_login(&said),
        "TYPE I\r\nOPTS HASH SHA-256\r\nHASH f\r\nHASH f\r\n"
    );
    let (mut second, said) = session("XCRC|XSHA256", &format!("200 I\r\n250 {sha}\r\n"));
    assert_eq!(
        second.hash(&path("f")).unwrap().unwrap().algorithm,
        "SHA-256"
    );
    assert_eq!(after_login(&said), "TYPE I\r\nXSHA256 f\r\n");
    let (mut third, _) = session("", "200 I\r\n");
    assert_eq!(third.hash(&path("f")).unwrap(), None);
}

#[test]
fn facts_of_one_file() {
    let heard = "250-x\r\n type=file;size=7; /a f\r\n250 end\r\n250-x\r\n type=cdir; /\r\n250 end\r\n250 x\r\n";
    let (mut session, _) = session("MLST type*;size*", heard);
    let entry = session.facts(&path("/a f")).unwrap().unwrap();
    assert_eq!(
        (entry.kind, entry.size, entry.name.as_slice()),
        (Kind::File, Some(7), &b"/a f"[..])
    );
    assert_eq!(
        session.facts(&path("/")).unwrap().unwrap().kind,
        Kind::Folder
    );
    assert!(matches!(
        session.facts(&path("/")),
        Err(Error::Malformed { .. })
    ));
}

#[test]
fn passive_ports_that_are_not_to_be_dialled() {
    for reply in [
        "229 (|||0|)",
        "229 (|||70000|)",
        "229 (|||22|)",
        "229 ok",
        "150 x",
    ] {
        let (mut session, said) = session("", &format!("200 I\r\n{reply}\r\n"));
        let error = get(&mut session, 0).0.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{reply}: {error}");
        assert_eq!(after_login(&said), "TYPE I\r\nEPSV\r\n");
    }
}

#[test]
fn a_file_comes_by_pasv_from_the_peer_whatever_the_address() {
    let (mut session, server) = serve(|server| {
        server.expect("TYPE I", "200 ok");
        server.expect("EPSV", "500 what?");
        let [high, low] = server.port().to_be_bytes();
        // RFC 5737: an address that nobody has.
        server.expect("PASV", &format!("227 go 192,0,2,1,{high},{low}"));
        server.expect("REST 3", "350 ok");
        // The connection is there before the reply is.
        assert_eq!(server.hear(), "RETR f");
        let mut data = server.data();
        server.say("150 coming\r\n226 early in one piece");
        data.write_all(b"hello").unwrap();
        drop(data);
        assert_eq!(server.hear(), "PASV", "EPSV is not asked again, nor TYPE");
    });
    let (result, found) = get(&mut session, 3);
    result.unwrap();
    assert_eq!(found, b"hello");
    let _ = get(&mut session, 0);
    server.join().unwrap();
}

#[test]
fn without_226_nothing_has_come() {
    for (last, no) in [
        ("426 cut", Some(No::Aborted)),
        ("451 disk", Some(No::Busy)),
        ("", None),
    ] {
        let (mut session, server) = serve(move |server| {
            server.expect("TYPE I", "200 ok");
            server.passive();
            server.expect("RETR f", "125 coming");
            server.data().write_all(b"hello").unwrap();
            if !last.is_empty() {
                server.say(last);
                server.expect("NOOP is not said: QUIT is", "");
            }
        });
        let (result, found) = get(&mut session, 0);
        let error = result.unwrap_err();
        assert_eq!(
            (No::of(&error), found.as_slice()),
            (no, &b"hello"[..]),
            "{error}"
        );
        drop(session);
        let _ = server.join();
    }
}

#[test]
fn a_no_to_the_command_comes_before_the_data() {
    for reply in ["550 none", "450 busy", "425 cannot", "226 done?"] {
        let (mut session, server) = serve(move |server| {
            server.expect("TYPE I", "200 ok");
            server.passive();
            server.expect("RETR f", reply);
            server.expect("QUIT", "221 bye");
        });
        let error = get(&mut session, 0).0.unwrap_err();
        assert_eq!(No::of(&error).is_none(), reply.starts_with('2'), "{error}");
        let is_usable = session.is_usable();
        assert_eq!(is_usable, !reply.starts_with('2'));
        session.quit();
        assert_eq!(server.join().is_ok(), is_usable);
    }
}

#[test]
fn what_the_server_says_explains_a_data_connection_that_is_not_there() {
    let (mut session, server) = serve(|server| {
        server.expect("TYPE I", "200 ok");
        let unused = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = unused.local_addr().unwrap().port();
        drop(unused);
        server.expect("EPSV", &format!("229 (|||{port}|)"));
        server.expect("RETR f", "425 cannot");
        server.expect("ABOR", "226 nothing");
        server.expect("NOOP", "200 well");
        server.expect("PASV", "502 what?");
        server.expect("QUIT", "221 bye");
    });
    let error = get(&mut session, 0).0.unwrap_err();
    assert_eq!(No::of(&error), Some(No::NoDataConnection), "{error}");
    session.quit();
    server.join().unwrap();
}

#[test]
fn an_error_of_ours_aborts_and_the_session_goes_on() {
    let (mut session, server) = serve(|server| {
        server.expect("TYPE I", "200 ok");
        server.passive();
        assert_eq!(server.hear(), "RETR f");
        let mut data = server.data();
        server.say("150 coming");
        while data.write_all(&[0; 4096]).is_ok() {}
        server.say("426 cut");
        server.expect("ABOR", "226 aborted");
        server.expect("NOOP", "200 ok");
        server.expect("PWD", "257 \"/\"");
    });
    let result = session.get(&path("f"), 0, &mut |body| {
        body.next_part()?;
        Err(Error::illegal("enough"))
    });
    assert_eq!(result.unwrap_err().to_string(), "enough");
    assert_eq!(session.working_folder().unwrap(), path("/"));
    server.join().unwrap();
}

#[test]
fn files_go_up() {
    let (mut session, server) = serve(|server| {
        for (command, wanted) in [("STOR f", "one\ntwo"), ("APPE f", "one\r\ntwo\r\nthree")] {
            server.expect(
                if command == "STOR f" {
                    "TYPE I"
                } else {
                    "TYPE A"
                },
                "200 ok",
            );
            server.passive();
            server.expect(command, "150 send");
            let mut found = String::new();
            server.data().read_to_string(&mut found).unwrap();
            assert_eq!(found, wanted);
            server.say("226 got it");
        }
    });
    assert_eq!(
        session.put(&path("f"), 0, &mut &b"one\ntwo"[..]).unwrap(),
        7
    );
    session.set_type(Type::Ascii);
    assert_eq!(
        session
            .append(&path("f"), &mut &b"one\ntwo\r\nthree"[..])
            .unwrap(),
        14
    );
    server.join().unwrap();
}

#[test]
fn a_full_disk_stops_the_upload() {
    for reply in ["552 full", "452 full"] {
        let (mut session, server) = serve(move |server| {
            server.expect("TYPE I", "200 ok");
            server.passive();
            server.expect("STOR f", "150 send");
            let mut data = server.data();
            data.read_exact(&mut [0; 100_000]).unwrap();
            drop(data);
            server.say(reply);
            server.expect("QUIT", "221 bye");
        });
        let error = session
            .put(&path("f"), 0, &mut std::io::repeat(7))
            .unwrap_err();
        assert_eq!(No::of(&error), Some(No::NoSpace), "{error}");
        session.quit();
        server.join().unwrap();
    }
}

#[test]
fn an_upload_whose_source_fails_is_aborted() {
    /// A source whose time is over.
    struct Late;
    impl Read for Late {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other(Error::TimedOut {
                peer: "us".to_owned(),
                doing: "waiting".to_owned(),
                after: std::time::Duration::ZERO,
            }))
        }
    }
    let mut late = Late;
    let sources: [(&mut (dyn Read + Send), bool); 3] = [
        (&mut &b"bare\rcr"[..], false),
        (&mut &b"cr at the end\r"[..], false),
        (&mut late, true),
    ];
    for (source, is_late) in sources {
        let (mut session, server) = serve(|server| {
            server.expect("TYPE A", "200 ok");
            server.passive();
            server.expect("STOR f", "150 send");
            let mut data = server.data();
            // ABOR is said before the data connection ends.
            assert_eq!(server.hear(), "ABOR");
            let _ = data.read_to_end(&mut Vec::new());
            server.say("426 cut\r\n226 aborted");
            server.expect("NOOP", "200 ok");
            server.expect("QUIT", "221 bye");
        });
        session.set_type(Type::Ascii);
        let error = session.put(&path("f"), 0, source).unwrap_err();
        match is_late {
            true => assert!(matches!(error, Error::TimedOut { .. }), "{error}"),
            false => assert!(matches!(error, Error::Illegal { .. }), "{error}"),
        }
        session.quit();
        server.join().unwrap();
    }
}

#[test]
fn listings_hand_on_every_line() {
    let (mut session, server) = serve(|server| {
        server.passive();
        server.expect("LIST -a x", "150 here");
        let text = "total 1\r\n-rw-r--r-- 1 a b 5 Apr  8  1994  x\n????\r\n-rw-r--r-- 1 a b 5 Apr  8  1994 ../y\r\nA.B;1";
        server.data().write_all(text.as_bytes()).unwrap();
        server.say("226 done");
    });
    let mut told = Vec::new();
    session.show_hidden(true);
    let result = session.list(Some(&path("x")), &mut |line| {
        told.push(match line {
            Line::Entry(entry) => String::from_utf8(entry.name).unwrap(),
            Line::Unknown(raw) => format!("unknown {}", String::from_utf8(raw).unwrap()),
            Line::BadName(_) => "bad".to_owned(),
            Line::Nothing => return Ok(()),
        });
        Ok(())
    });
    result.unwrap();
    assert_eq!(told, [" x", "unknown ????", "bad", "unknown A.B;1"]);
    server.join().unwrap();
}

#[test]
fn the_server_may_connect_to_us() {
    let (mut session, server) = serve(|server| {
        server.expect("TYPE I", "200 ok");
        assert!(server.hear().starts_with("EPRT |1|127.0.0.1|"));
        server.say("500 what?");
        let port = server.hear();
        let numbers: Vec<u16> = port["PORT ".len()..]
            .split(',')
            .map(|n| n.parse().unwrap())
            .collect();
        server.say("200 ok");
        server.expect("RETR f", "150 coming");
        let mut data = TcpStream::connect(("127.0.0.1", numbers[4] * 256 + numbers[5])).unwrap();
        data.write_all(b"hello").unwrap();
        drop(data);
        server.say("226 done");
    });
    session.set_data_policy(crate::data::DataPolicy {
        mode: Mode::Active(None),
        ..Default::default()
    });
    let (result, found) = get(&mut session, 0);
    result.unwrap();
    assert_eq!(found, b"hello");
    server.join().unwrap();
}

#[test]
fn replies_to_what_was_asked_ahead_come_in_any_order() {
    for (replies, is_ok, is_hasty) in [
        ("226 done\r\n229 ok (|||{}|)", true, true),
        ("229 ok (|||{}|)\r\n226 done", true, true),
        ("450 busy\r\n226 done", true, false),
        ("426 cut\r\n229 ok (|||{}|)", false, true),
        ("426 cut\r\n450 busy", false, false),
    ] {
        let (mut session, server) = serve(move |server| {
            server.expect("TYPE I", "200 ok");
            server.passive();
            assert_eq!(server.hear(), "RETR f");
            assert_eq!(server.hear(), "EPSV");
            server.say("150 coming");
            drop(server.data());
            server.say(&replies.replace("{}", &server.port().to_string()));
            if !is_hasty {
                server.passive();
            }
            server.expect("RETR f", "150 coming");
            drop(server.data());
            server.say("226 done");
        });
        session.expect_more(true);
        let result = get(&mut session, 0).0;
        assert_eq!(result.is_ok(), is_ok, "{replies}: {result:?}");
        assert_eq!(session.is_hasty(), is_hasty, "{replies}");
        session.expect_more(false);
        get(&mut session, 0).0.unwrap();
        server.join().unwrap();
    }
}

#[test]
fn what_was_asked_ahead_is_settled_before_anything_else_is_said() {
    let (mut session, server) = serve(|server| {
        server.expect("TYPE I", "200 ok");
        server.passive();
        assert_eq!(server.hear(), "RETR f");
        assert_eq!(server.hear(), "EPSV");
        server.say("150 coming");
        drop(server.data());
        let port = server.port();
        server.say(&format!("226 done\r\n229 ok (|||{port}|)"));
        server.expect("PWD", "257 \"/\"");
        server.expect("RETR f", "150 coming");
        drop(server.data());
        server.say("226 done");
    });
    session.expect_more(true);
    get(&mut session, 0).0.unwrap();
    assert!(session.is_usable());
    assert_eq!(session.working_folder().unwrap(), path("/"));
    session.expect_more(false);
    get(&mut session, 0).0.unwrap();
    server.join().unwrap();
}

#[test]
fn size_and_time_are_asked_for_together() {
    let heard = "200 I\r\n213 5\r\n213 20200102030405\r\n213 7\r\n550 no\r\n";
    let (mut session, said) = session("", heard);
    let about = session.about(&path("f")).unwrap();
    assert_eq!(about.size, Some(5));
    assert_eq!(about.modified, Moment::parse(b"20200102030405"));
    let about = session.about(&path("g")).unwrap();
    assert_eq!((about.size, about.modified), (Some(7), None));
    assert_eq!(
        after_login(&said),
        "TYPE I\r\nSIZE f\r\nMDTM f\r\nSIZE g\r\nMDTM g\r\n"
    );
}

#[test]
fn the_times_of_many_files_are_asked_for_a_few_at_once() {
    let (mut session, server) = serve(|server| {
        for number in 0..70 {
            // None is answered before all that travel together were heard.
            if number % 32 == 0 {
                let together = (70 - number).min(32);
                let heard: Vec<String> = (0..together).map(|_| server.hear()).collect();
                for (at, line) in heard.iter().enumerate() {
                    assert_eq!(*line, format!("MDTM f{}", number + at));
                    server.say(match (number + at) % 3 {
                        0 => "213 20200102030405",
                        1 => "550 no such file",
                        _ => "213 soon",
                    });
                }
            }
        }
        server.expect("MDTM f0", "421 bye");
    });
    let paths: Vec<Path> = (0..70).map(|n| path(&format!("f{n}"))).collect();
    let paths: Vec<&Path> = paths.iter().collect();
    let moments = session.all_modified(&paths).unwrap();
    let wanted = |at: usize| match at % 3 {
        0 => Moment::parse(b"20200102030405"),
        _ => None,
    };
    assert_eq!(moments, (0..70).map(wanted).collect::<Vec<_>>());
    let error = session.all_modified(&paths[..1]).unwrap_err();
    assert_eq!(No::of(&error), Some(No::Unavailable));
    server.join().unwrap();
    // Of long names, fewer.
    let answer = "213 20200102030405\r\n".repeat(3);
    let (mut session, _) = self::session("", &answer);
    let long = path(&"x".repeat(4096));
    assert_eq!(session.all_modified(&[&long; 3]).unwrap().len(), 3);
    assert_eq!(session.all_modified(&[]).unwrap(), []);
}

#[test]
fn whether_something_may_be_renamed() {
    let (mut session, said) = session("", "350 go on\r\n550 no\r\n450 busy\r\n");
    session.may_rename(&path("a")).unwrap();
    let no = session.may_rename(&path("b")).unwrap_err();
    assert!(No::of(&no) == Some(No::Missing) && !no.is_transient());
    assert!(session.may_rename(&path("c")).unwrap_err().is_transient());
    assert_eq!(after_login(&said), "RNFR a\r\nRNFR b\r\nRNFR c\r\n");
}

#[test]
fn a_server_that_takes_an_option_for_a_name_is_asked_without_it() {
    for refusal in ["150 here", "550 no -a x"] {
        let (mut session, server) = serve(move |server| {
            server.passive();
            server.expect("LIST -a x", refusal);
            drop(server.data());
            if refusal.starts_with('1') {
                server.say("226 done");
            }
            for _ in 0..2 {
                server.passive();
                server.expect("LIST x", "150 here");
                let line = b"-rw-r--r-- 1 a b 5 Apr  8  1994 y\r\n";
                server.data().write_all(line).unwrap();
                server.say("226 done");
            }
        });
        session.show_hidden(true);
        for _ in 0..2 {
            let mut lines = 0;
            let listed = session.list(Some(&path("x")), &mut |_| {
                lines += 1;
                Ok(())
            });
            listed.unwrap();
            assert_eq!(lines, 1);
        }
        server.join().unwrap();
    }
}

#[test]
fn a_passive_port_that_leads_nowhere_is_asked_for_in_the_old_way() {
    for reply in ["229 ok", "425 cannot", "501 what?"] {
        let (mut session, server) = serve(move |server| {
            server.expect("TYPE I", "200 ok");
            // Nobody listens there any more.
            let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
            let gone = gone.unwrap().port();
            match reply {
                "229 ok" => {
                    server.expect("EPSV", &format!("229 ok (|||{gone}|)"));
                    server.expect("RETR f", "150 coming");
                    server.expect("ABOR", "426 no");
                    server.say("226 aborted");
                    server.expect("NOOP", "200 well");
                }
                _ => server.expect("EPSV", reply),
            }
            for _ in 0..2 {
                let port = server.port();
                let (high, low) = (port >> 8, port & 255);
                server.expect("PASV", &format!("227 ok (127,0,0,1,{high},{low})"));
                server.expect("RETR f", "150 coming");
                server.data().write_all(b"hello").unwrap();
                server.say("226 done");
            }
        });
        for _ in 0..2 {
            let (result, found) = get(&mut session, 0);
            result.unwrap();
            assert_eq!(found, b"hello");
        }
        server.join().unwrap();
    }
}

#[test]
fn where_no_way_leads_anywhere_the_first_error_is_told() {
    let (mut session, _) = session("", "200 ok\r\n425 cannot\r\n502 what?\r\n");
    let error = get(&mut session, 0).0.unwrap_err().to_string();
    assert!(error.contains("425"), "{error}");
    // A file that is not there is none, whatever is said of connections.
    let (mut session, server) = serve(move |server| {
        server.expect("TYPE I", "200 ok");
        server.expect("EPSV", "229 ok (|||1025|)");
        server.expect("RETR f", "550 none");
        server.expect("ABOR", "226 nothing");
        server.expect("NOOP", "200 well");
    });
    let error = get(&mut session, 0).0.unwrap_err();
    assert_eq!(No::of(&error), Some(No::Missing), "{error}");
    server.join().unwrap();
}

/// Serves a listing.
fn list(server: &mut Server, command: &str, lines: &str) {
    server.passive();
    server.expect(command, "150 here");
    server.data().write_all(lines.as_bytes()).unwrap();
    server.say("226 done");
}

#[test]
fn a_listing_that_shows_no_folder_is_looked_into() {
    const ITSELF: &str = "drwx------ 2 a b 6 Apr  8  1994 x\r\n";
    for (there, lines, is_fine) in [
        ("550 no", "", false),
        ("250 ok", "", true),
        ("550 no", ITSELF, false),
        ("250 ok", ITSELF, true),
    ] {
        let (mut session, server) = serve(move |server| {
            list(server, "LIST -a q/x", lines);
            let goal = match lines {
                "" => {
                    list(server, "LIST q/x", "");
                    "CWD q/x"
                }
                _ => "CWD q/x/x",
            };
            server.expect("PWD", "257 \"/home\"");
            server.expect(goal, there);
            if is_fine {
                server.expect("CWD /home", "250 back");
            }
            // Nothing is learnt of "-a" from what holds nothing.
            let whole = "total 1\r\ndrwx------ 2 a b 6 Apr  8  1994 .\r\n\
                drwx------ 2 a b 6 Apr  8  1994 x\r\n";
            list(server, "LIST -a q/x", whole);
        });
        session.show_hidden(true);
        let listed = session.list(Some(&path("q/x")), &mut |_| Ok(()));
        assert_eq!(listed.is_ok(), is_fine, "{there} {lines}");
        // An unreadable folder is there.
        let is_missing = lines.is_empty() && !is_fine;
        let no = listed.err().and_then(|error| No::of(&error));
        assert_eq!(no == Some(No::Missing), is_missing, "{there} {lines}");
        session.list(Some(&path("q/x")), &mut |_| Ok(())).unwrap();
        server.join().unwrap();
    }
}

/// Connects to a port of ours from another address than the server's.
fn stranger(port: u16) -> socket2::Socket {
    use socket2::{Domain, Socket, Type};
    let address = |text: &str| text.parse::<std::net::SocketAddr>().unwrap().into();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&address("127.0.0.2:0")).unwrap();
    let ours = address(&format!("127.0.0.1:{port}"));
    socket.connect(&ours).unwrap();
    socket
}

#[test]
fn nobody_but_the_server_may_connect_to_us() {
    let (mut session, server) = serve(|server| {
        server.expect("TYPE I", "200 ok");
        let heard = server.hear();
        let port = heard.split('|').nth(3).unwrap().parse().unwrap();
        let mut stranger = stranger(port);
        let _ = stranger.write_all(b"evil");
        drop(stranger);
        server.say("200 ok");
        server.expect("RETR f", "150 coming");
        let mut data = TcpStream::connect(("127.0.0.1", port)).unwrap();
        data.write_all(b"hello").unwrap();
        drop(data);
        server.say("226 done");
    });
    session.set_data_policy(crate::data::DataPolicy {
        mode: Mode::Active(None),
        ..Default::default()
    });
    let (result, found) = get(&mut session, 0);
    result.unwrap();
    assert_eq!(found, b"hello");
    server.join().unwrap();
}
