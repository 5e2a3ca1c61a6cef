//! `proto ftp-list`: what is in the folders of an FTP server.

use proto_mock::ftp::{FtpServer, Style};
use proto_mock::Options;

use crate::ftp_get::{files, rows, Ftp};
use crate::harness::proto;

#[test]
fn rows_for_people_and_for_programs() {
    let ftp = Ftp::flawed(&[]);
    ftp.ftp.files.link("pub/link", "hello.txt");
    let run = proto(&["ftp-list", &ftp.url("pub")]).exits(0);
    let first = run.text();
    let first = first.lines().nth(1).unwrap();
    assert_eq!(
        first,
        "file              6  2001-09-09 01:46:40Z  hello.txt"
    );
    let run = proto(&["ftp-list", &ftp.url("pub/"), "--json"]).exits(0);
    let rows = rows(&run);
    let named = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert_eq!(named("hello.txt")["size"], 6);
    assert_eq!(
        named("hello.txt")["modified"]["time"],
        "2001-09-09T01:46:40"
    );
    assert_eq!(named("hello.txt")["modified"]["utc"], true);
    assert_eq!(named("two words")["type"], "file");
    assert_eq!(named("sub")["type"], "folder");
    assert_eq!(named("link")["type"], "link");
    ftp.is_content();
}

#[test]
fn listings_of_every_style() {
    for (style, has_sizes) in [
        (Style::Unix, true),
        (Style::Dos, true),
        (Style::Eplf, true),
        (Style::Os400, true),
        (Style::Netware, true),
        // Which tells of blocks.
        (Style::Vms, false),
    ] {
        let mut ftp = FtpServer::default();
        ftp.files.put("pub/HELLO.TXT", "Hello\n");
        ftp.files.make_folder("pub/SUB");
        ftp.without = vec!["MLST".to_owned()];
        ftp.style = style;
        let ftp = Ftp::with(ftp, Options::default());
        let run = proto(&["ftp-list", &ftp.url("pub"), "--json"]).exits(0);
        let rows = rows(&run);
        assert_eq!(run.stderr, "", "{style:?}");
        assert_eq!(rows.len(), 2, "{style:?} {rows:?}");
        assert_eq!(rows[0]["name"], "HELLO.TXT", "{style:?}");
        assert_eq!(rows[0]["type"], "file", "{style:?}");
        assert_eq!(
            rows[0]["size"].as_u64(),
            has_sizes.then_some(6),
            "{style:?}"
        );
        assert_eq!(
            (&rows[1]["name"], &rows[1]["type"]),
            (&"SUB".into(), &"folder".into())
        );
    }
}

#[test]
fn all_below_and_what_is_chosen_of_it() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        let names = |options: &[&str]| {
            let url = ftp.url("");
            let arguments = [&["ftp-list", url.as_str(), "-r", "--json"], options].concat();
            let run = proto(&arguments).exits(0);
            let rows = rows(&run);
            let path = |row: &serde_json::Value| row["path"].as_str().unwrap().to_owned();
            rows.iter().map(path).collect::<Vec<String>>()
        };
        let all = names(&[]);
        assert_eq!(all.len(), 10, "{all:?}");
        assert!(all.contains(&"pub/sub/.hidden".to_owned()), "{all:?}");
        let text = names(&["--include", "*.txt", "--exclude", "void"]);
        let wanted = ["pub", "pub/hello.txt", "pub/sub", "pub/sub/deep"];
        assert_eq!(text, wanted);
        ftp.is_content();
    }
}

#[test]
fn a_file_is_listed_alone_and_what_is_missing_is_told() {
    for without in [&[][..], &["MLST"], &["MLST", "SIZE"]] {
        let ftp = Ftp::without(without);
        let run = proto(&["ftp-list", &ftp.url("pub/hello.txt")]);
        assert!(run.code == 0 && run.text().contains("hello.txt"), "{run:?}");
        proto(&["ftp-list", &ftp.url("none")]).exits(69);
        let run = proto(&["ftp-list", &ftp.url("void")]).exits(0);
        assert_eq!(run.text(), "");
    }
}

#[test]
fn lines_that_nobody_understands_are_told() {
    let ftp = Ftp::flawed(&["strange-lines"]);
    let run = proto(&["ftp-list", &ftp.url("pub"), "--json"]).exits(0);
    let rows = rows(&run);
    assert!(rows.iter().any(|row| row["name"] == "hello.txt"));
    assert!(
        rows.iter()
            .any(|row| row["type"] == "unknown" && row["raw"] == "???"),
        "{rows:?}"
    );
    assert!(run.stderr.contains("???"), "{}", run.stderr);
}

#[test]
fn active_mode_and_old_servers() {
    for (without, options) in [
        (&[][..], &["--active"][..]),
        (&["EPRT"], &["--active"]),
        (&[], &["--active-ports", "40000-60000"]),
        (&["EPSV"], &[]),
        (&["FEAT", "UTF8", "EPSV", "EPRT"], &["--active"]),
    ] {
        let ftp = Ftp::without(without);
        let url = ftp.url("pub");
        proto(&[&["ftp-list", url.as_str()], options].concat()).exits(0);
        ftp.is_content();
    }
}

#[test]
fn logins_are_refused_or_not_tried_in_the_clear() {
    let mut ftp = files();
    ftp.users = vec![("fred".to_owned(), "pencil".to_owned())];
    let ftp = Ftp::with(ftp, Options::default());
    proto(&["ftp-list", &ftp.url_of_fred("")]).exits(0);
    proto(&["ftp-list", &ftp.url("")]).exits(77).says("530");
    let busy = Ftp::ruled(&["connect reply=421 too many"]);
    proto(&["ftp-list", &busy.url("")]).exits(75).says("421");
}
