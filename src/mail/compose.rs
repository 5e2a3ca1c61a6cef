//! A message of what the options say.

use std::io::{self, Read};
use std::sync::Arc;

use proto_transport::Result;

use super::args::ComposeArgs;
use super::fields::fields;
use super::message::{Composed, Message, Source};
use super::parts::parts;

/// Composes a message. Everything that it is made of is looked at, so that what cannot be sent is
/// told now; attached files are read only when the message is.
pub fn compose(args: &ComposeArgs) -> Result<Message> {
    compose_with(args, &mut io::stdin())
}

fn compose_with(args: &ComposeArgs, stdin: &mut dyn Read) -> Result<Message> {
    let (mut header, bcc) = fields(args)?;
    let (more, pieces) = parts(args, stdin)?;
    header.extend_from_slice(&more);
    let composed = Composed {
        header,
        bcc,
        pieces,
    };
    Ok(Message {
        name: "the message".to_owned(),
        source: Source::Composed(Arc::new(composed)),
        keep_bcc: false,
    })
}

#[cfg(test)]
mod tests;
