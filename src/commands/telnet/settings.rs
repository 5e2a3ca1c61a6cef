//! What may be told of us: what the options say, and nothing else of the environment.

use proto_telnet::{Settings, Target};
use proto_transport::{Error, Result};

use super::interactive::window_of;
use super::Args;

/// What a terminal is called that nobody named. It says nothing of the one that there is: a session
/// needs something that moves the cursor, and almost every terminal understands this; what goes to a
/// file needs no such thing.
const IN_SESSION: &str = "xterm";
const IN_FILE: &str = "dumb";

/// What may be told.
pub(super) fn of(args: &Args, target: &Target, is_session: bool) -> Result<Settings> {
    let mut settings = Settings::default();
    for name in &args.terminals {
        settings.add_type(name)?;
    }
    let user = args.common.credentials.user.as_ref();
    if let Some(user) = user.or(target.user.as_ref()) {
        settings.add_variable("USER", user)?;
    }
    for variable in &args.env {
        let (name, value) = match variable.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (variable.as_str(), std::env::var(variable).ok()),
        };
        let value = value.ok_or_else(|| {
            Error::illegal(format!(
                "--env {name}: the environment has no such variable, or it is not UTF-8"
            ))
        })?;
        match name {
            // It has an option of its own (RFC 1091), which every host asks for.
            "TERM" if args.terminals.is_empty() => settings.add_type(&value)?,
            name => settings.add_variable(name, &value)?,
        }
    }
    if settings.types().is_empty() {
        settings.add_type(if is_session { IN_SESSION } else { IN_FILE })?;
    }
    settings.window = args.window;
    if is_session && settings.window.is_none() {
        settings.window = window_of(std::io::stdin());
    }
    settings.asks_binary = args.binary;
    Ok(settings)
}
