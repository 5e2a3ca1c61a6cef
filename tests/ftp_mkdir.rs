//! `proto ftp-mkdir`: folders.

use crate::ftp_get::Ftp;
use crate::harness::proto;

#[test]
fn one_folder_or_all_that_are_missing() {
    for without in [&[][..], &["MLST"]] {
        let ftp = Ftp::without(without);
        proto(&["ftp-mkdir", &ftp.url("pub/new%20one")]).exits(0);
        proto(&["ftp-mkdir", &ftp.url("pub/new%20one")]).exits(69);
        proto(&["ftp-mkdir", &ftp.url("pub/x/y/z")]).exits(69);
        proto(&["ftp-mkdir", &ftp.url("pub/x/y/z/"), "-p"]).exits(0);
        proto(&["ftp-mkdir", &ftp.url("pub/x/y/z"), "-p"]).exits(0);
        let paths = ftp.ftp.files.paths();
        assert!(paths.iter().any(|path| path.contains("x/y/z")), "{paths:?}");
        // What is there and no folder is in the way.
        proto(&["ftp-mkdir", &ftp.url("pub/hello.txt"), "-p"]).exits(69);
        proto(&["ftp-mkdir", &ftp.url("")]).exits(64);
        ftp.is_content();
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let ftp = Ftp::ruled(&["connect count=1 reply=421 too many"]);
    proto(&["ftp-mkdir", &ftp.url("new"), "--retry", "1"]).exits(0);
    // What may have been done is not done twice.
    let lost = Ftp::ruled(&["mkd drop"]);
    proto(&["ftp-mkdir", &lost.url("new"), "--retry", "1"]).exits(75);
    assert_eq!(lost.count_of("MKD"), 1);
}
