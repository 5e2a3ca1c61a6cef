//! How the check ended, for people, programs and monitoring.

use std::time::Duration;

use proto_transport::escape::escaped;
use proto_transport::Error;

use crate::exit_code::{DATA, OK, TEMPORARY};

/// How the check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// In time and unchanged.
    Ok,
    /// Unchanged, but later than --warn.
    Late,
    /// With another body than it was sent with.
    Altered,
    /// Not within --fail.
    Lost,
}

impl Verdict {
    /// What became of a message that has come.
    pub fn of(time: Duration, warn: Duration, fail: Duration, is_unchanged: bool) -> Verdict {
        match is_unchanged {
            false => Verdict::Altered,
            true if time > fail => Verdict::Lost,
            true if time > warn => Verdict::Late,
            true => Verdict::Ok,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Late => "late",
            Verdict::Altered => "altered",
            Verdict::Lost => "lost",
        }
    }

    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Ok => OK,
            Verdict::Late | Verdict::Lost => TEMPORARY,
            Verdict::Altered => DATA,
        }
    }

    fn state(self) -> State {
        match self {
            Verdict::Ok => State::Ok,
            Verdict::Late => State::Warning,
            Verdict::Altered | Verdict::Lost => State::Critical,
        }
    }
}

/// What a monitoring plugin says: its exit status is the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

/// The line and the exit status of a monitoring plugin.
pub fn plugin(
    verdict: Verdict,
    text: &str,
    time: Option<Duration>,
    warn: Duration,
    fail: Duration,
) -> (String, u8) {
    let time = time.map(|time| {
        format!(
            " | time={:.3}s;{};{};0",
            time.as_secs_f64(),
            warn.as_secs_f64(),
            fail.as_secs_f64()
        )
    });
    line(verdict.state(), text, &time.unwrap_or_default())
}

/// The same for what kept the check from being made: a mistake of ours is no news of the servers.
pub fn plugin_error(error: &Error) -> (String, u8) {
    let state = match error {
        Error::Illegal { .. } | Error::Io { .. } => State::Unknown,
        _ => State::Critical,
    };
    line(state, &error.to_string(), "")
}

fn line(state: State, text: &str, performance: &str) -> (String, u8) {
    let word = format!("{state:?}").to_ascii_uppercase();
    // What stands behind a bar is read as numbers.
    let text = escaped(text.as_bytes()).replace('|', "/");
    (format!("{word} - {text}{performance}\n"), state as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn thresholds() {
        let of = |time, is_unchanged| {
            Verdict::of(seconds(time), seconds(30), seconds(120), is_unchanged)
        };
        for (time, is_unchanged, verdict, code) in [
            (30, true, Verdict::Ok, 0),
            (31, true, Verdict::Late, 75),
            (121, true, Verdict::Lost, 75),
            (1, false, Verdict::Altered, 65),
        ] {
            let found = of(time, is_unchanged);
            assert_eq!((found, found.code()), (verdict, code), "{time}");
        }
    }

    #[test]
    fn plugins_say_a_line() {
        let time = Some(Duration::from_millis(1234));
        assert_eq!(
            plugin(Verdict::Ok, "a|b\n", time, seconds(30), seconds(120)),
            ("OK - a/b\\n | time=1.234s;30;120;0\n".to_owned(), 0)
        );
        let late = plugin(Verdict::Late, "x", time, seconds(1), seconds(2));
        assert!(late.0.starts_with("WARNING - x | ") && late.1 == 1);
        assert_eq!(
            plugin(Verdict::Lost, "x", None, seconds(1), seconds(2)),
            ("CRITICAL - x\n".to_owned(), 2)
        );
        assert_eq!(plugin_error(&Error::illegal("x")).1, 3);
    }
}
