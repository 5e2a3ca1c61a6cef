//! A text from before there was a web.

use proto_mock::gopher::GopherServer;
use proto_transport::Result;

use super::stage::Stage;
use crate::exit_code::OK;

/// A text is fetched.
pub fn show(stage: &Stage) -> Result<()> {
    let server = stage.start(GopherServer::default())?;
    stage.say("A mock gopher server starts, and this fetches a text:\n")?;
    let url = format!("gopher://{}/0/mock/text", server.address());
    stage.talk(&["gopher-get", &url], OK)
}
