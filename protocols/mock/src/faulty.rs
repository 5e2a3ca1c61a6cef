//! Streams that carry out the [faults](crate::fault). There are two layers, with TLS between them:
//!
//! ```text
//! Speech    what is said: cut, delay, garbage, endless-line, deaf
//! (TLS)
//! Wire      how it travels: drip, split
//! socket
//! ```

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use proto_transport::Stream;

use crate::fault::Fault;
use crate::stop::{stopped, Stop};

/// The lower layer: bytes travel one by one.
pub(crate) struct Wire {
    inner: Box<dyn Stream>,
    pause: Duration,
    stop: Stop,
}

impl Wire {
    /// Puts the layer over `inner` if one of the faults asks for it.
    pub(crate) fn over(inner: Box<dyn Stream>, faults: &[Fault], stop: &Stop) -> Box<dyn Stream> {
        let pause = faults.iter().find_map(|fault| match fault {
            Fault::Drip(pause) => Some(*pause),
            Fault::Split => Some(Duration::ZERO),
            _ => None,
        });
        match pause {
            Some(pause) => Box::new(Wire {
                inner,
                pause,
                stop: stop.clone(),
            }),
            None => inner,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if !self.pause.is_zero() {
                self.stop.sleep(self.pause)?;
            }
            // Nagle's algorithm is off below, so each write is a segment.
            self.inner.write_all(std::slice::from_ref(byte))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Stream for Wire {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_deadline(deadline);
    }

    fn is_encrypted(&self) -> bool {
        self.inner.is_encrypted()
    }

    fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    fn is_readable(&mut self) -> bool {
        self.inner.is_readable()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        self.inner.end_writing()
    }
}

/// The upper layer: what is said, and whether anybody listens.
pub(crate) struct Speech {
    inner: Box<dyn Stream>,
    state: State,
}

struct State {
    /// How many bytes may still be said before the cut.
    left: Option<u64>,
    cut_is_reset: bool,
    delay: Option<Duration>,
    /// What is said instead of the first thing to be said.
    instead: Option<Instead>,
    deafness: Deafness,
    over: Option<Ending>,
    stop: Stop,
}

#[derive(Clone, Copy)]
enum Instead {
    EndlessLine,
    Garbage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deafness {
    None,
    AfterThisLine,
    Now,
}

/// How a fault ended what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Orderly,
    Reset,
}

/// Where a line that never ends ends after all, so that a forgotten server does not send for ever.
/// More than any client should hold of one line, by far.
const ENDLESS: u64 = 256 * 1024 * 1024;

/// How much garbage there is: more than the longest line that any protocol here allows.
const GARBAGE: usize = 64 * 1024;

/// How much goes out at once where there is much.
const BLOCK: usize = 64 * 1024;

impl Speech {
    pub(crate) fn over(inner: Box<dyn Stream>, faults: &[Fault], stop: &Stop) -> Speech {
        let mut state = State {
            left: None,
            cut_is_reset: false,
            delay: None,
            instead: None,
            deafness: Deafness::None,
            over: None,
            stop: stop.clone(),
        };
        for fault in faults {
            match fault {
                Fault::Cut(count) => state.left = Some(*count),
                Fault::CutReset(count) => {
                    state.left = Some(*count);
                    state.cut_is_reset = true;
                }
                Fault::Delay(time) => state.delay = Some(*time),
                Fault::EndlessLine => state.instead = Some(Instead::EndlessLine),
                Fault::Garbage => state.instead = Some(Instead::Garbage),
                Fault::Deaf => state.deafness = Deafness::AfterThisLine,
                _ => {}
            }
        }
        Speech { inner, state }
    }

    /// Puts something between this layer and what is below it. What was said counts on.
    pub(crate) fn raise(
        self,
        layer: impl FnOnce(Box<dyn Stream>) -> io::Result<Box<dyn Stream>>,
    ) -> io::Result<Speech> {
        Ok(Speech {
            inner: layer(self.inner)?,
            state: self.state,
        })
    }

    /// How a fault has ended what is said, if one has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.state.over
    }

    fn end(&mut self, ending: Ending) -> io::Result<usize> {
        self.state.over = Some(ending);
        if ending == Ending::Orderly {
            self.inner.end_writing()?;
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.state.left else {
            self.inner.write_all(bytes)?;
            return Ok(bytes.len());
        };
        let fits = usize::try_from(left).unwrap_or(usize::MAX);
        let (now, _) = bytes.split_at_checked(fits).unwrap_or((bytes, b""));
        self.inner.write_all(now)?;
        let left = left.saturating_sub(now.len() as u64);
        self.state.left = Some(left);
        if left > 0 {
            return Ok(bytes.len());
        }
        self.end(match self.state.cut_is_reset {
            true => Ending::Reset,
            false => Ending::Orderly,
        })
    }

    fn say_endless_line(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let line = bytes.split(is_line_end).next().unwrap_or_default();
        self.say(line)?;
        let block = vec![b'x'; BLOCK];
        for _ in 0..ENDLESS / BLOCK as u64 {
            if self.state.stop.is_raised() {
                return Err(stopped());
            }
            self.say(&block)?;
        }
        self.end(Ending::Orderly)
    }
}

/// Bytes without a meaning, the same on every run (xorshift, Marsaglia 2003).
fn garbage() -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..GARBAGE).map(|_| next()).collect()
}

impl Read for Speech {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state.deafness {
            Deafness::None => self.inner.read(buffer),
            Deafness::AfterThisLine => {
                let buffer = buffer.get_mut(..1).unwrap_or_default();
                let count = self.inner.read(buffer)?;
                if buffer.first() == Some(&b'\n') {
                    self.state.deafness = Deafness::Now;
                }
                Ok(count)
            }
            Deafness::Now => {
                while !self.state.stop.wait(Duration::from_secs(3600)) {}
                Err(stopped())
            }
        }
    }
}

impl Write for Speech {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.state.over.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Some(delay) = self.state.delay {
            self.state.stop.sleep(delay)?;
        }
        match self.state.instead {
            None => self.say(bytes),
            Some(Instead::EndlessLine) => self.say_endless_line(bytes),
            Some(Instead::Garbage) => {
                self.say(&garbage())?;
                self.end(Ending::Orderly)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Stream for Speech {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_deadline(deadline);
    }

    fn is_encrypted(&self) -> bool {
        self.inner.is_encrypted()
    }

    fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    fn is_readable(&mut self) -> bool {
        self.inner.is_readable()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        self.inner.end_writing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::Memory;

    fn said(faults: &[Fault], writes: &[&str]) -> (String, Option<Ending>) {
        let memory = Memory::new("");
        let said = memory.said();
        let stop = Stop::default();
        let wire = Wire::over(Box::new(memory), faults, &stop);
        let mut speech = Speech::over(wire, faults, &stop);
        for write in writes {
            let _ = speech.write_all(write.as_bytes());
        }
        let bytes = said.bytes();
        (
            String::from_utf8_lossy(&bytes).into_owned(),
            speech.ending(),
        )
    }

    #[test]
    fn a_cut_counts_over_all_that_is_said() {
        let cut = |count| said(&[Fault::Cut(count)], &["+OK\r\n", "+OK bye\r\n"]);
        assert_eq!(cut(0), (String::new(), Some(Ending::Orderly)));
        assert_eq!(cut(5), ("+OK\r\n".into(), Some(Ending::Orderly)));
        assert_eq!(cut(7), ("+OK\r\n+O".into(), Some(Ending::Orderly)));
        assert_eq!(cut(15), ("+OK\r\n+OK bye\r\n".into(), None));
        let reset = said(&[Fault::CutReset(2)], &["+OK\r\n"]);
        assert_eq!(reset, ("+O".into(), Some(Ending::Reset)));
    }

    #[test]
    fn garbage_is_the_same_every_time_and_comes_once() {
        let (one, ending) = said(&[Fault::Garbage], &["+OK\r\n", "+OK\r\n"]);
        assert_eq!(ending, Some(Ending::Orderly));
        assert_eq!(one, said(&[Fault::Garbage], &["x"]).0);
        assert!(!one.contains("+OK\r\n"));
    }

    #[test]
    fn an_endless_line_starts_like_the_right_one() {
        let faults = [Fault::EndlessLine, Fault::Cut(100_000)];
        let (line, _) = said(&faults, &["+OK ready\r\n"]);
        assert!(line.starts_with("+OK readyxxx"));
        assert_eq!(line.len(), 100_000);
        assert!(!line.contains('\n'));
    }

    #[test]
    fn what_drips_arrives_all_the_same() {
        let faults = [Fault::Drip(Duration::from_millis(1))];
        assert_eq!(said(&faults, &["+OK\r\n"]), ("+OK\r\n".into(), None));
        assert_eq!(said(&[Fault::Split], &["a", "b"]).0, "ab");
    }

    #[test]
    fn the_deaf_hear_one_line() {
        let stop = Stop::default();
        let memory = Box::new(Memory::new("one\r\ntwo\r\n"));
        let mut speech = Speech::over(memory, &[Fault::Deaf], &stop);
        let mut line = [0; 5];
        speech.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"one\r\n");
        stop.raise();
        assert!(speech.read(&mut line).is_err());
    }
}
