//! Somebody logs in where nothing but a terminal is expected.

use proto_mock::telnet::TelnetServer;
use proto_transport::Result;

use super::stage::Stage;
use crate::exit_code::OK;

/// What is said, and what must come before it.
const SCRIPT: &str = "\
expect login:
send fred
expect Password:
send pencil
expect Welcome, (?<user>\\w+)
send exit
expect Bye
";

/// A script logs in.
pub fn show(stage: &Stage) -> Result<()> {
    let server = stage.start(TelnetServer::default())?;
    stage.write("login.script", SCRIPT)?;
    stage.say(&format!(
        "A mock Telnet server starts, and login.script holds what to say to it:\n\n{SCRIPT}"
    ))?;
    let url = format!("telnet://{}", server.address());
    stage.talk(&["telnet", &url, "--script", "login.script"], OK)
}
