//! A conversation that is written down: `--script FILE`.

use std::path::Path;
use std::time::Instant;

use proto_telnet::{Client, Event, Target};
use proto_transport::{parse_url, Error, Result, Secret, Security};

use super::Args;
use crate::cli::read;
use crate::credentials::Credentials;
use crate::login::is_private;
use crate::protocol::TELNET;
use crate::rows::Rows;
use crate::script::{Received, Row, Runner, Saying, Script, Talk};

/// A script, and what it may say beside what stands in it.
pub(super) struct Job {
    script: Script,
    user: Option<Secret>,
    password: Option<Secret>,
}

impl Job {
    /// Reads the script, and finds what it names. A password does not go in the clear to another
    /// machine unless `--plain` says so.
    pub fn read(path: &Path, args: &Args, target: &Target) -> Result<Job> {
        let name = path.display().to_string();
        let script = Script::parse(&name, &read(path)?, &["user", "password"])?;
        let mut job = Job {
            user: None,
            password: None,
            script,
        };
        if job.script.uses("password") {
            let connector = args.common.connector(&TELNET)?;
            let is_open = target.endpoint.security == Security::Plain
                && !is_private(&target.endpoint, &args.common, &connector);
            if is_open && !args.common.tls.plain {
                return Err(Error::Insecure {
                    peer: target.endpoint.to_string(),
                    doing: "looking at the script".to_owned(),
                    why: "the password would go in the clear; telnets:// is TLS, and --plain allows it".to_owned(),
                    certificate: false,
                });
            }
            let url = parse_url(&args.host, "telnet")?;
            let credentials = Credentials::new(&args.common.credentials)?;
            let login = credentials.for_target(&url, &target.endpoint, None)?;
            let (user, password) = login.ok_or_else(|| missing(&name, "password"))?;
            (job.user, job.password) = (Some(Secret::from(user)), Some(password));
        } else if job.script.uses("user") {
            let user = args.common.credentials.user.as_ref();
            let user = user.or(target.user.as_ref());
            let user = user.ok_or_else(|| missing(&name, "user"))?;
            job.user = Some(Secret::from(user.as_str()));
        }
        Ok(job)
    }

    /// Runs it.
    pub fn run(self, args: &Args, client: &mut Client) -> Result<()> {
        let mut rows = Rows::new(args.json, false);
        let mut add = |row: Row| rows.add(|| row.text(), || row.item());
        let peer = client.connection().peer().to_owned();
        let mut talk = Telnet { client, peer };
        let timeout = args.common.connection.timeout;
        let mut runner = Runner::new(&self.script, &mut talk, timeout, &mut add);
        if let Some(user) = self.user {
            runner.give("user", user);
        }
        if let Some(password) = self.password {
            runner.give("password", password);
        }
        runner.run()
    }
}

fn missing(name: &str, what: &str) -> Error {
    Error::illegal(format!(
        "{name} says ${{{what}}}, and there is none; see -u and --password-file"
    ))
}

/// A host that a script talks to.
struct Telnet<'c> {
    client: &'c mut Client,
    peer: String,
}

impl Talk for Telnet<'_> {
    fn peer(&self) -> &str {
        &self.peer
    }

    fn say(&mut self, saying: &Saying<'_>) -> Result<()> {
        if saying.is_secret {
            self.client.expect_secret();
        }
        let mut text = saying.bytes.to_vec();
        if saying.ends_line {
            text.push(b'\n');
        }
        self.client.say_text(&text)?;
        self.client.finish_text()?;
        self.client.flush()
    }

    fn hear(&mut self, until: Instant, heard: &mut Vec<u8>) -> Result<Received> {
        let before = heard.len();
        loop {
            if !self.client.wait(None, until)?.peer {
                if Instant::now() >= until {
                    return Ok(Received::Nothing);
                }
                continue;
            }
            let goes_on = self.client.receive(&mut |event| {
                if let Event::Data(bytes) = event {
                    heard.extend_from_slice(bytes);
                }
                Ok(())
            })?;
            match (goes_on, heard.len() > before) {
                (_, true) => return Ok(Received::Bytes),
                (false, false) => return Ok(Received::End),
                (true, false) => {}
            }
        }
    }

    /// Telnet has no such thing: a host hangs up when the connection ends for one side.
    fn end_saying(&mut self) -> Result<()> {
        Ok(())
    }
}
