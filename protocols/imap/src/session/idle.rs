//! Waiting for what happens in a mailbox (RFC 2177).

use std::time::{Duration, Instant};

use proto_transport::{Error, Result};

use super::Session;
use crate::reply::Kind;
use crate::wire::{pass_over, Event, Response};

/// How long one IDLE lasts: servers may log out who is silent for 30 minutes (RFC 2177 section 3).
const ROUND: Duration = Duration::from_secs(28 * 60);

/// How often whoever waits is asked whether to go on.
const GLANCE: Duration = Duration::from_millis(100);

/// A server that ends IDLE by itself does so after some time; sooner, it would only be asked again
/// and again.
const SHORTEST: Duration = Duration::from_secs(1);

/// How a round of listening ends.
enum Round {
    /// Whoever waits has heard enough, or wants more; the server still talks.
    Open { goes_on: bool },
    /// The server has ended it.
    Ended,
}

/// Hears what happens, or a few times a second that nothing does; whether to go on.
pub type Watch<'t> = dyn FnMut(Option<Event>) -> Result<bool> + 't;

impl Session {
    /// Waits for `time`, or until `told` says `false`, and hands on what happens. The server must
    /// offer IDLE.
    pub fn idle(&mut self, time: Duration, told: &mut Watch<'_>) -> Result<()> {
        self.wire.connection.doing("waiting for news");
        self.need_mailbox()?;
        if !self.wire.capabilities.offers("IDLE") {
            return Err(self.wire.not_offered("IDLE"));
        }
        let now = Instant::now();
        // Where no clock reaches that far, a year is long enough.
        let end = now
            .checked_add(time)
            .unwrap_or(now + Duration::from_secs(31_536_000));
        let mut goes_on = self.hand_on(told)?;
        while goes_on && Instant::now() < end {
            goes_on = self.round(end.min(Instant::now() + ROUND), told)?;
        }
        Ok(())
    }

    /// One IDLE; whether to go on.
    fn round(&mut self, end: Instant, told: &mut Watch<'_>) -> Result<bool> {
        let command = self.wire.command("IDLE");
        let tag = self.wire.say(&command)?;
        self.wire.await_go_ahead(&tag)?;
        let silence = self.wire.connection.silence();
        let heard = self.listen(&tag, end, told);
        self.wire.connection.set_silence(silence);
        let goes_on = match heard? {
            Round::Ended => true,
            Round::Open { goes_on } => {
                self.wire.connection.write_line("DONE")?;
                self.wire.finish(&tag, &mut crate::wire::nothing)?;
                goes_on
            }
        };
        // What came since waits for the next who asks, if this one has heard enough.
        Ok(goes_on && self.hand_on(told)?)
    }

    fn listen(&mut self, tag: &str, end: Instant, told: &mut Watch<'_>) -> Result<Round> {
        let begun = Instant::now();
        while self.hand_on(told)? {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Round::Open { goes_on: true });
            }
            let (started, silence) = (Instant::now(), left.min(GLANCE));
            self.wire.connection.set_silence(silence);
            match self.wire.hear(&mut pass_over) {
                Ok(Response::Data(data)) => self.wire.unasked(data),
                Ok(Response::Skipped) => {}
                // It does not want to tell us any more.
                Ok(Response::Tagged(other, told)) if other == tag && told.kind != Kind::Ok => {
                    return Err(self.wire.refused(&told));
                }
                Ok(Response::Tagged(other, _)) if other == tag && begun.elapsed() >= SHORTEST => {
                    return Ok(Round::Ended);
                }
                Ok(Response::Tagged(tag, told)) => {
                    return Err(self.wire.unexpected(&format!("{tag} {told}")));
                }
                Ok(Response::GoAhead(_)) => return Err(self.wire.unexpected("+")),
                // Nothing was said; or it is too late for anything, whatever we wait for.
                Err(Error::TimedOut { .. })
                    if self.wire.can_hear() && started.elapsed() >= silence =>
                {
                    if !told(None)? {
                        return Ok(Round::Open { goes_on: false });
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Round::Open { goes_on: false })
    }

    /// Hands on what has come; whether more is wanted.
    fn hand_on(&mut self, told: &mut Watch<'_>) -> Result<bool> {
        while let Some(event) = self.wire.next_event() {
            if !told(Some(event))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
