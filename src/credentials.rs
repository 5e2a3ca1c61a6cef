//! Where credentials come from. Never from the command line, except inside a URL.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use clap::Args;
use proto_transport::{decoded, Endpoint, Error, Result, Secret, Url};

use crate::netrc::Netrc;
use crate::{prompt, tls_roots};

/// Who we are, and how that is proved.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Credentials")]
pub struct CredentialArgs {
    /// User name; the password comes from one of the next options, $PROTO_PASSWORD or a prompt
    #[arg(short = 'u', long, value_name = "NAME")]
    pub user: Option<String>,
    /// Password in the first line of a file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Password in the first line that a command prints; its words are taken apart as a shell does, and no shell runs it
    #[arg(long, value_name = "COMMAND")]
    pub password_command: Option<String>,
    /// User and password from ~/.netrc (or $NETRC), by exact host and login
    #[arg(long)]
    pub netrc: bool,
    /// OAuth token in the first line that a command prints, which is run in the same way
    #[arg(long, value_name = "COMMAND")]
    pub token_command: Option<String>,
    /// Use this mechanism and no other
    #[arg(long, value_name = "MECHANISM")]
    pub auth: Option<String>,
}

/// A user and a password.
pub type Login = (String, Secret);

/// The credentials of one command: each asked for at most once, however many connections want it.
pub struct Credentials {
    args: CredentialArgs,
    netrc: Option<Netrc>,
    given: OnceLock<Answer>,
    typed: Mutex<HashMap<(String, Endpoint), Answer>>,
    token: OnceLock<Answer>,
    warned: Once,
}

/// A secret, or why there is none: told to everybody who wants it.
type Answer = std::result::Result<Secret, String>;

impl Credentials {
    /// Reads what needs no asking.
    pub fn new(args: &CredentialArgs) -> Result<Credentials> {
        let netrc = match (args.netrc, Netrc::path()) {
            (true, Some(path)) => Some(Netrc::read(&path)?),
            _ => None,
        };
        Ok(Credentials {
            args: args.clone(),
            netrc,
            given: OnceLock::new(),
            typed: Mutex::default(),
            token: OnceLock::new(),
            warned: Once::new(),
        })
    }

    /// The mechanism that was asked for.
    pub fn mechanism(&self) -> Option<&str> {
        self.args.auth.as_deref()
    }

    /// Warns, once, if one of the URLs holds a password: a command line is no place for it.
    pub fn warn_of_passwords_in(&self, urls: &[Url]) {
        if urls.iter().any(|url| url.password().is_some()) {
            self.warned.call_once(|| {
                crate::warn(
                    "a URL holds a password, which others can see on a command line; \
                     see --password-file and --password-command",
                );
            });
        }
    }

    /// The login for the service that the user named: by option, then from its URL, then by
    /// `.netrc`. `first_user` is the first that any URL of the command names: without `-u`, the
    /// password that was given is theirs and nobody else's.
    pub fn for_target(
        &self,
        url: &Url,
        endpoint: &Endpoint,
        first_user: Option<&str>,
    ) -> Result<Option<Login>> {
        let in_url = match url.username() {
            "" => None,
            user => Some(decoded(user, "user")?),
        };
        let user = self.args.user.clone().or(in_url);
        if let (None, Some(password)) = (&self.args.user, url.password()) {
            let password = Secret::from(decoded(password, "password")?);
            return Ok(user.map(|user| (user, password)));
        }
        let Some(user) = user else {
            let netrc = self.netrc.as_ref();
            return Ok(netrc.and_then(|netrc| netrc.find(&endpoint.host, None)));
        };
        if let Some(netrc) = &self.netrc {
            if let Some(login) = netrc.find(&endpoint.host, Some(&user)) {
                return Ok(Some(login));
            }
        }
        let is_given = self.is_given()
            && (self.args.user.is_some() || first_user.is_none_or(|first| first == url.username()));
        let password = match is_given {
            true => told(self.given.get_or_init(|| answer(self.read_given()))),
            false => self.ask(&user, endpoint),
        };
        Ok(Some((user, password?)))
    }

    /// The login for a service that the user did not name, such as one that a redirect leads to:
    /// only `.netrc` may know one, and only in an entry for that very host. What `default` says is
    /// not for whoever a server names.
    pub fn for_host(&self, endpoint: &Endpoint) -> Option<Login> {
        let netrc = self.netrc.as_ref()?;
        let named = netrc.names(&endpoint.host);
        named.then(|| netrc.find(&endpoint.host, None)).flatten()
    }

    /// The token for the service that the user named.
    pub fn token(&self) -> Result<Option<Secret>> {
        let Some(command) = &self.args.token_command else {
            return Ok(None);
        };
        let token = self.token.get_or_init(|| answer(first_line_of(command)));
        told(token).map(Some)
    }

    /// Asks on the terminal for the password of one user at one service. Whoever else wants to ask
    /// waits: there is one terminal.
    fn ask(&self, user: &str, endpoint: &Endpoint) -> Result<Secret> {
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        let typed = typed
            .entry((user.to_owned(), endpoint.clone()))
            .or_insert_with(|| {
                answer(prompt::password(&format!(
                    "Password of {user} at {endpoint}"
                )))
            });
        told(typed)
    }

    /// Whether the password was given in a way that needs no asking.
    fn is_given(&self) -> bool {
        let args = &self.args;
        args.password_file.is_some()
            || args.password_command.is_some()
            || std::env::var_os(VARIABLE).is_some()
    }

    fn read_given(&self) -> Result<Secret> {
        if let Some(path) = &self.args.password_file {
            return first_line_in(path);
        }
        if let Some(command) = &self.args.password_command {
            return first_line_of(command);
        }
        let password = std::env::var(VARIABLE);
        let password = password.map_err(|_| Error::illegal(format!("${VARIABLE} is not UTF-8")))?;
        Ok(Secret::from(password))
    }
}

/// The password in the environment.
const VARIABLE: &str = "PROTO_PASSWORD";

fn answer(result: Result<Secret>) -> Answer {
    result.map_err(|error| error.to_string())
}

fn told(answer: &Answer) -> Result<Secret> {
    match answer {
        Ok(secret) => Ok(secret.clone()),
        Err(why) => Err(Error::illegal(why.as_str())),
    }
}

/// A password is a line; more than this is a mistake.
const LONGEST: u64 = 64 * 1024;

fn first_line_in(path: &Path) -> Result<Secret> {
    let doing = || format!("reading the password in {}", path.display());
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| {
            let metadata = file.metadata()?;
            // A pipe or terminal belongs to whoever opened it.
            if metadata.is_file() && metadata.mode() & 0o077 != 0 {
                crate::warn(&format!(
                    "others may read the password in {}",
                    path.display()
                ));
            }
            file.take(LONGEST).read_to_string(&mut text)
        })
        .map_err(|error| Error::io(doing(), error))?;
    Ok(first_line(text))
}

/// Runs a command without a shell and takes the first line that it prints.
fn first_line_of(command: &str) -> Result<Secret> {
    let words = shlex::split(command)
        .ok_or_else(|| Error::illegal(format!("{command}: quotation marks do not match")))?;
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Error::illegal("the command for the password is empty"))?;
    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::inherit());
    child.stderr(Stdio::inherit());
    child.env_remove(VARIABLE);
    tls_roots::restore(&mut child);
    let output = child
        .output()
        .map_err(|error| Error::io(format!("running {program}"), error))?;
    if !output.status.success() {
        return Err(Error::illegal(format!("{program}: {}", output.status)));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| Error::illegal(format!("{program} printed something that is not UTF-8")))?;
    Ok(first_line(text))
}

fn first_line(text: String) -> Secret {
    let whole = Secret::from(text);
    Secret::from(whole.reveal().lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::{parse_url, Security};

    fn login(args: CredentialArgs, url: &str) -> Result<Option<String>> {
        let url = parse_url(url, "http").unwrap();
        let endpoint = Endpoint::from_url(&url, 80, Security::Plain).unwrap();
        let login = Credentials::new(&args)?.for_target(&url, &endpoint, Some("first"))?;
        Ok(login.map(|(user, password)| format!("{user}:{}", password.reveal())))
    }

    #[test]
    fn the_option_wins_over_the_url() {
        let none = CredentialArgs::default();
        assert_eq!(login(none.clone(), "http://a/").unwrap(), None);
        assert_eq!(login(none, "http://u:p%40@a/").unwrap().unwrap(), "u:p@");
        let args = CredentialArgs {
            user: Some("me".into()),
            password_command: Some("printf '%s\\nrest' \"a b\"".into()),
            ..CredentialArgs::default()
        };
        assert_eq!(login(args, "http://u:p@a/").unwrap().unwrap(), "me:a b");
    }

    #[test]
    fn a_password_that_is_given_belongs_to_one_user() {
        let args = CredentialArgs {
            password_command: Some("echo canary".into()),
            ..CredentialArgs::default()
        };
        let first = login(args.clone(), "http://first@a/").unwrap();
        assert_eq!(first.unwrap(), "first:canary");
        // There may be a terminal to ask on here, so the other user's is not tried.
        let args = CredentialArgs {
            user: Some("me".into()),
            ..args
        };
        let mine = login(args, "http://second@a/").unwrap();
        assert_eq!(mine.unwrap(), "me:canary");
    }

    #[test]
    fn commands_run_without_a_shell() {
        assert_eq!(first_line_of("echo $HOME;").unwrap().reveal(), "$HOME;");
        for wrong in ["", "echo 'x", "false", "/nonexistent/command"] {
            assert!(first_line_of(wrong).is_err(), "{wrong}");
        }
    }
}
