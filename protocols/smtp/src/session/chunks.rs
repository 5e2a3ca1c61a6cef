//! Content in chunks (RFC 3030): each has its length before it and its reply behind it.

use std::io::Read;

use proto_transport::{read_some, CanonicalLines, Error, Result, StatusReply};

use super::{Content, Session, Transaction};
use crate::delivery::refusal;
use crate::envelope::Outgoing;
use crate::request::Request;

/// How many chunks may be under way without an answer.
const CHUNKS: usize = 4;

impl Session {
    /// Says the content in chunks.
    pub(super) fn say_chunks<M: Outgoing>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        self.connection.doing("sending the message");
        let is_binary = this.mail.envelope().is_binary;
        let mut source = this.mail.content()?;
        let mut block = std::mem::take(&mut self.block);
        let result = self.chunks_of(&mut source, &mut block, is_binary, this.content_is_ahead());
        self.block = block;
        drop(source);
        match result {
            Ok(Chunked::All { unanswered }) => {
                this.content = Content::Said { chunks: unanswered };
                Ok(())
            }
            Ok(Chunked::Refused { reply, unanswered }) => {
                this.decide_willing(refusal(&reply), &reply);
                self.needs_reset = true;
                for _ in 0..unanswered {
                    let reply = self.hear()?;
                    self.is_yes(&reply)?;
                }
                Ok(())
            }
            Err(error) => {
                // What is queued is whole, and may be the end of the message before.
                self.is_broken |= self.connection.flush().is_err();
                self.connection.give_up_sending();
                Err(error)
            }
        }
    }

    fn chunks_of(
        &mut self,
        source: &mut dyn Read,
        block: &mut [u8],
        is_binary: bool,
        is_ahead: bool,
    ) -> Result<Chunked> {
        let mut lines = CanonicalLines::plain();
        let mut chunk = Vec::new();
        let mut unanswered = 0;
        loop {
            let got = read_full(source, block)?;
            let part = block.get(..got).unwrap_or_default();
            let is_last = got < block.len();
            chunk.clear();
            if is_binary {
                chunk.extend_from_slice(part);
            } else {
                let mut pushed = lines.push(part, &mut chunk);
                if is_last {
                    pushed = pushed.and_then(|()| lines.finish(&mut chunk));
                }
                pushed.map_err(|_| {
                    Error::illegal("the message has changed: it holds a CR without LF now")
                })?;
            }
            let request = Request::Bdat(chunk.len() as u64, is_last);
            self.connection.write_line(request.to_string())?;
            self.connection.write_block(&chunk)?;
            if is_last {
                return Ok(Chunked::All { unanswered });
            }
            unanswered += 1;
            while !is_ahead && (unanswered >= CHUNKS || unanswered > 0 && !self.pipelines()) {
                let reply = self.hear()?;
                unanswered -= 1;
                if !self.is_yes(&reply)? {
                    return Ok(Chunked::Refused { reply, unanswered });
                }
            }
        }
    }
}

impl<M> Transaction<M> {
    /// Whether content that is said now goes out before the replies to the envelope were heard.
    fn content_is_ahead(&self) -> bool {
        self.heard < self.delivery.outcomes.len() && !self.is_refused
    }
}

/// How the chunks of a message went.
enum Chunked {
    /// All were said; so many replies before the last one are outstanding.
    All { unanswered: usize },
    /// One was refused, and nothing more was said.
    Refused {
        reply: StatusReply,
        unanswered: usize,
    },
}

/// Fills the buffer, unless the source ends before.
fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_some(source, rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
