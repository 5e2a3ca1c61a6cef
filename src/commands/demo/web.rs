//! A download.

use std::fs;

use proto_mock::http::Site;
use proto_transport::Result;

use super::stage::{failed, Stage};
use crate::exit_code::OK;

/// What the server serves.
const PAGE: &str = "<!doctype html>\n<title>proto</title>\n<p>Hello from a mock server.\n";

/// A page becomes a file.
pub fn show(stage: &Stage) -> Result<()> {
    stage.say(
        "A mock web server starts on a free loopback port, and this downloads a page from it:\n",
    )?;
    fs::create_dir("site").map_err(failed)?;
    stage.write("site/page.html", PAGE)?;
    let server = stage.start(Site::new("site"))?;
    let url = format!("http://{}/page.html", server.address());
    stage.talk(&["http-get", &url, "-O"], OK)?;
    let text = fs::read_to_string("page.html").map_err(failed)?;
    stage.say(&format!("page.html holds {} bytes:\n\n{text}", text.len()))
}
