//! `proto ftp-remove`: files and trees go.

use crate::ftp_get::{rows, Ftp};
use crate::harness::proto;

#[test]
fn a_file_an_empty_folder_and_a_tree() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        proto(&["ftp-remove", &ftp.url("pub/hello.txt")]).exits(0);
        assert!(ftp.ftp.files.get("pub/hello.txt").is_none());
        proto(&["ftp-remove", &ftp.url("pub/hello.txt")]).exits(69);
        proto(&["ftp-remove", "-d", &ftp.url("void/")]).exits(0);
        proto(&["ftp-remove", "-d", &ftp.url("pub")]).exits(69);
        let dry = proto(&["ftp-remove", "-r", "-n", "--json", &ftp.url("pub")]).exits(0);
        assert!(ftp.ftp.files.get("pub/sub/deep/x").is_some());
        let run = proto(&["ftp-remove", "-r", "--json", &ftp.url("pub")]).exits(0);
        for (dry, run) in rows(&dry).iter().zip(rows(&run)) {
            assert_eq!(dry["path"], run["path"]);
            assert_eq!(
                (&dry["result"], &dry["planned"]),
                (&"remove".into(), &true.into())
            );
            assert_eq!(
                (&run["result"], run.get("planned")),
                (&"removed".into(), None)
            );
        }
        assert_eq!(rows(&run).len(), rows(&dry).len());
        let left = ftp.ftp.files.paths();
        assert!(left.iter().all(|path| !path.contains("pub")), "{left:?}");
        ftp.is_content();
    }
}

#[test]
fn not_everything_can_be_meant() {
    for arguments in [
        &["ftp://localhost:1/"][..],
        &["-r", "ftp://localhost:1/"],
        &["-r", "ftp://localhost:1//"],
        &["ftp://localhost:1/folder/"],
        &["-r", "-d", "ftp://localhost:1/folder/"],
    ] {
        let run = proto(&[&["ftp-remove"], arguments].concat());
        assert_eq!(run.code, 64, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn what_is_not_allowed_is_told_and_the_rest_goes() {
    let ftp = Ftp::ruled(&["dele=pub/hello.txt reply=550 No"]);
    let run = proto(&["ftp-remove", "-r", &ftp.url("pub")]).exits(69);
    assert!(run.text().contains("failed"), "{}", run.text());
    assert!(ftp.ftp.files.get("pub/hello.txt").is_some());
    assert!(ftp.ftp.files.get("pub/sub/deep/x").is_none());
}

#[test]
fn a_link_goes_and_what_it_leads_to_stays() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        ftp.ftp.files.link("pub/link", "sub");
        for path in ["pub/link", "pub/hello.txt"] {
            let run = proto(&["ftp-remove", "-r", &ftp.url(path)]).exits(0);
            assert_eq!(run.text().lines().count(), 1, "{path}");
            assert!(!ftp
                .ftp
                .files
                .paths()
                .iter()
                .any(|left| left.ends_with(path)));
        }
        assert!(ftp.ftp.files.get("pub/sub/deep/x").is_some());
        ftp.is_content();
    }
}

#[test]
fn what_is_not_there_is_not_planned() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        for (options, path, code) in [
            (&["-n"][..], "pub/hello.txt", 0),
            (&["-n"], "pub/none", 69),
            (&["-n"], "pub", 69),
            (&["-n", "-d"], "void", 0),
            (&["-n", "-d"], "none", 69),
            (&["-n", "-d"], "big", 69),
            (&["-n", "-r"], "none", 69),
        ] {
            let run = proto(&[&["ftp-remove", &ftp.url(path)], options].concat());
            assert_eq!(run.code, code, "{options:?} {path}: {}", run.stderr);
            assert_eq!(run.text().is_empty(), code != 0, "{options:?} {path}");
        }
    }
}
