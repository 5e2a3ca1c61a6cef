//! `proto ftp-rename`: other names.

use crate::ftp_get::Ftp;
use crate::ftp_put::taciturn;
use crate::harness::proto;

#[test]
fn a_name_in_the_same_folder_or_another_path() {
    let ftp = Ftp::flawed(&[]);
    proto(&["ftp-rename", &ftp.url("pub/hello.txt"), "other name"]).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/other name").unwrap(), b"Hello\n");
    proto(&["ftp-rename", &ftp.url("pub/other%20name"), "void/x"]).exits(0);
    assert_eq!(ftp.ftp.files.get("void/x").unwrap(), b"Hello\n");
    proto(&["ftp-rename", &ftp.url("pub/sub"), "dir"]).exits(0);
    assert!(ftp.ftp.files.get("pub/dir/deep/x").is_some());
    ftp.is_content();
}

#[test]
fn nothing_is_replaced_unasked() {
    let ftp = Ftp::flawed(&[]);
    let (url, other) = (ftp.url("pub/hello.txt"), "two words");
    proto(&["ftp-rename", &url, other])
        .exits(69)
        .says("--force");
    assert_eq!(ftp.ftp.files.get("pub/two words").unwrap(), b"2\n");
    proto(&["ftp-rename", &url, other, "--force"]).exits(0);
    assert_eq!(ftp.ftp.files.get("pub/two words").unwrap(), b"Hello\n");
    proto(&["ftp-rename", &ftp.url("none"), "x"])
        .exits(69)
        .says("550");
    proto(&["ftp-rename", &ftp.url(""), "x"]).exits(64);
    proto(&["ftp-rename", &ftp.url("a"), "x\r\nDELE y"]).exits(64);
}

#[test]
fn nothing_is_replaced_unasked_whatever_the_server_tells() {
    for (number, (ftp, code)) in taciturn().into_iter().enumerate() {
        let rename = ["ftp-rename", &ftp.url("pub/hello.txt"), "two words"];
        let run = proto(&rename);
        assert_eq!(run.code, code, "{number}: {}", run.stderr);
        assert_eq!(ftp.ftp.files.get("pub/two words").unwrap(), b"2\n");
        assert_eq!(ftp.count_of("RNFR"), 0, "{number}");
        proto(&[&rename[..], &["--force"]].concat()).exits(0);
        ftp.is_content();
    }
}
