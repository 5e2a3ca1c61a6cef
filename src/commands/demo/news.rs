//! What is in a newsgroup.

use proto_mock::nntp::{NewsServer, CAPABILITIES};
use proto_transport::Result;

use super::stage::{all_but, Stage};
use crate::exit_code::OK;

/// What the server offers.
const OFFERED: [&str; 6] = ["CAPABILITIES", "VERSION", "READER", "POST", "OVER", "LIST"];

/// How many articles there are, and their octets.
const ARTICLES: (u64, u64) = (3, 500);

/// The articles of a group are listed.
pub fn show(stage: &Stage) -> Result<()> {
    let mut news = NewsServer::default();
    news.without = all_but(&OFFERED, &CAPABILITIES);
    news.spool.generate("misc.test", ARTICLES.0, ARTICLES.1);
    let server = stage.start(news)?;
    stage.say("A mock news server starts, and this looks into a group:\n")?;
    let url = format!("nntp://{}/misc.test", server.address());
    stage.talk(&["nntp-overview", &url], OK)
}
