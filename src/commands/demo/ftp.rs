//! A file from a file server.

use std::fs;

use proto_mock::ftp::{FtpServer, FEATURES};
use proto_transport::Result;

use super::stage::{all_but, failed, Stage};
use crate::exit_code::OK;

/// What the server offers.
const OFFERED: [&str; 6] = ["FEAT", "OPTS", "EPSV", "SIZE", "MDTM", "UTF8"];

/// A file is fetched.
pub fn show(stage: &Stage) -> Result<()> {
    let mut ftp = FtpServer::default();
    ftp.without = all_but(&OFFERED, &FEATURES);
    ftp.files
        .put("pub/hello.txt", "Hello from a mock server.\n");
    let server = stage.start(ftp)?;
    stage.say("A mock FTP server starts, and this downloads a file from it:\n")?;
    let url = format!("ftp://{}/pub/hello.txt", server.address());
    stage.talk(&["ftp-get", &url, "-O"], OK)?;
    let text = fs::read_to_string("hello.txt").map_err(failed)?;
    stage.say(&format!("hello.txt holds {} bytes:\n\n{text}", text.len()))
}
