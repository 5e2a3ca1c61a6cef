//! Whatever speaks in lines.

use proto_mock::smtp::Mta;
use proto_transport::Result;

use super::stage::Stage;
use crate::exit_code::OK;

/// What is said, and what must come before it.
const SCRIPT: &str = "expect ^220\nsend NOOP\nexpect ^250\nsend QUIT\nexpect ^221\n";

/// A script speaks with a server.
pub fn show(stage: &Stage) -> Result<()> {
    let server = stage.start(Mta::default())?;
    stage.write("noop.script", SCRIPT)?;
    stage.say(&format!(
        "noop.script holds what to say to a server, whatever it is:\n\n{SCRIPT}"
    ))?;
    let address = server.address().to_string();
    stage.talk(&["tcp", &address, "--script", "noop.script"], OK)
}
