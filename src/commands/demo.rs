//! `proto demo`: the mock servers on free loopback ports, and the headline jobs against them.
//!
//! Each job is a command line that is shown and then run by the same code that runs it for a user.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use clap::Parser;
use proto_mock::http::Site;
use proto_mock::smtp::{Mta, NotARule};
use proto_mock::{Options, Server};
use proto_transport::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::cli::Cli;
use crate::exit_code::{OK, UNAVAILABLE};

/// Start the mock servers and run the headline jobs against them.
#[derive(clap::Args)]
pub struct Args {}

/// What the mock server serves.
const PAGE: &str = "<!doctype html>\n<title>proto</title>\n<p>Hello from a mock server.\n";

/// Runs every job and shows each conversation.
pub fn run(_: &Args) -> Result<u8> {
    let folder = Folder::make()?;
    say("A mock web server starts on a free loopback port, and this downloads from it:\n")?;
    let code = download(&folder.0)?;
    if code != OK {
        return Ok(code);
    }
    say(
        "A mock mail server starts, which knows no nobody, and this sends a mail to two people:\n",
    )?;
    send()
}

fn download(folder: &Path) -> Result<u8> {
    let failed = |error| Error::io("running the HTTP mock", error);
    let site = folder.join("site");
    fs::create_dir(&site)
        .and_then(|()| fs::write(site.join("page.html"), PAGE))
        .map_err(failed)?;
    let server = Server::start(Options::default(), Arc::new(Site::new(site))).map_err(failed)?;
    let url = format!("http://{}/page.html", server.address());
    let downloads = folder.join("downloads");
    let shown = ["http-get", &url, "--trace", "--no-proxy", "--output-dir"];
    let code = job(&shown, Some(("DIR", &downloads)))?;
    if code != OK {
        return Ok(code);
    }
    let text = fs::read_to_string(downloads.join("page.html")).map_err(failed)?;
    say(&format!(
        "\npage.html holds {} bytes:\n\n{text}",
        text.len()
    ))?;
    Ok(OK)
}

fn send() -> Result<u8> {
    let rule = "rcpt=nobody@* reply=550 5.1.1 No such person";
    let mut mta = Mta::default();
    mta.rules = vec![rule
        .parse()
        .map_err(|error: NotARule| Error::illegal(error.to_string()))?];
    let server = Server::start(Options::default(), Arc::new(mta))
        .map_err(|error| Error::io("running the SMTP mock", error))?;
    let url = format!("smtp://{}/", server.address());
    let from_to = ["--from", "ann@example.org", "--to"];
    let recipients = "bob@example.org,nobody@example.org";
    let content = ["--subject", "hello", "--text", "Hello from proto."];
    let shown = [
        &["smtp-send", &url][..],
        &from_to,
        &[recipients],
        &content,
        &["--trace", "--no-proxy"],
    ]
    .concat();
    match job(&shown, None)? {
        UNAVAILABLE => {
            say("\nThe exit status is 69, because one of them was refused for good.")?;
            Ok(OK)
        }
        code => Ok(code),
    }
}

/// Shows a command line and runs it. A path is shown under a name of its own.
fn job(words: &[&str], path: Option<(&str, &Path)>) -> Result<u8> {
    let shown = words.iter().copied().chain(path.map(|(name, _)| name));
    let shown = shlex::try_join(shown).map_err(|error| Error::illegal(error.to_string()))?;
    say(&format!("$ proto {shown}\n"))?;
    let words = words.iter().map(|word| std::ffi::OsStr::new(*word));
    let line = std::iter::once("proto".as_ref())
        .chain(words)
        .chain(path.map(|(_, path)| path.as_os_str()));
    let cli = Cli::try_parse_from(line).map_err(|error| Error::illegal(error.to_string()))?;
    super::run(cli.command)
}

fn say(text: &str) -> Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{text}").map_err(|error| Error::io("writing to stdout", error))
}

/// A folder of our own that goes when the demonstration is over, or is broken off.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Folder> {
        // Before there is a folder: a signal must not come between.
        let mut signals = Signals::new([SIGINT, SIGTERM])
            .map_err(|error| Error::io("waiting for signals", error))?;
        let folder = Folder(new_folder()?);
        let path = folder.0.clone();
        thread::Builder::new()
            .spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    let _ = fs::remove_dir_all(path);
                    let _ = emulate_default_handler(signal);
                }
            })
            .map_err(|error| Error::io("waiting for signals", error))?;
        Ok(folder)
    }
}

/// Makes a folder under a name that nothing else has.
fn new_folder() -> Result<PathBuf> {
    let start = std::env::temp_dir().join(format!("proto-demo-{}", std::process::id()));
    let mut path = start.clone();
    for number in 1_u64.. {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => {
                result.map_err(|error| Error::io(format!("making {}", path.display()), error))?;
                break;
            }
        }
        path = start.with_extension(number.to_string());
    }
    Ok(path)
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
