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
        assert_eq!(rows(&run), rows(&dry));
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
