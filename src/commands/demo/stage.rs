//! Where the demonstration takes place: a folder, and how a job is shown and run in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use clap::Parser;
use proto_mock::{Options, Server, Service};
use proto_transport::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::cli::Cli;

/// A folder to work in, and how conversations are shown.
pub struct Stage {
    /// `--trace` or `--explain`.
    looking: &'static str,
    _folder: Folder,
}

impl Stage {
    /// Makes the folder, and works in it from now on.
    pub fn new(explain: bool) -> Result<Stage> {
        let folder = Folder::make()?;
        std::env::set_current_dir(&folder.path).map_err(failed)?;
        Ok(Stage {
            looking: if explain { "--explain" } else { "--trace" },
            _folder: folder,
        })
    }

    /// Starts a server on a free port.
    pub fn start(&self, service: impl Service + 'static) -> Result<Server> {
        Server::start(Options::default(), Arc::new(service)).map_err(failed)
    }

    /// Shows a command that talks to a server, and runs it. It must end with this status.
    pub fn talk(&self, words: &[&str], status: u8) -> Result<()> {
        self.job(&[words, &["--no-proxy", self.looking]].concat(), status)
    }

    /// Shows a command line and runs it.
    pub fn job(&self, words: &[&str], status: u8) -> Result<()> {
        let shown = shlex::try_join(words.iter().copied());
        let shown = shown.map_err(|error| Error::illegal(error.to_string()))?;
        self.say(&format!("$ proto {shown}\n"))?;
        let line = [&["proto"], words].concat();
        let cli = Cli::try_parse_from(line).map_err(|error| Error::illegal(error.to_string()))?;
        let ended = crate::commands::run(cli.command)?;
        if ended != status {
            let why = format!("{shown} ends with {ended}, and should with {status}");
            return Err(failed(io::Error::other(why)));
        }
        self.say("")
    }

    /// Says something about what is shown.
    pub fn say(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout();
        writeln!(stdout, "{text}").map_err(|error| Error::io("writing to stdout", error))
    }

    /// Puts a file into the folder, for nobody else to read.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(name);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(failed)
    }
}

/// What a server is to do without, so that it says only this of itself: short lists read well.
pub fn all_but(offered: &[&str], all: &[&str]) -> Vec<String> {
    let hidden = all.iter().filter(|name| !offered.contains(name));
    hidden.map(|name| (*name).to_owned()).collect()
}

/// What went wrong with the demonstration itself.
pub fn failed(error: io::Error) -> Error {
    Error::io("running the demonstration", error)
}

/// A folder of our own that goes when the demonstration is over, or is broken off.
struct Folder {
    path: PathBuf,
    is_broken_off: Arc<AtomicBool>,
    /// Ends the process when a signal comes.
    ending: Option<JoinHandle<()>>,
}

impl Folder {
    fn make() -> Result<Folder> {
        // Before there is a folder: a signal must not come between.
        let mut signals = Signals::new([SIGINT, SIGTERM])
            .map_err(|error| Error::io("waiting for signals", error))?;
        let mut folder = Folder {
            path: new_folder()?,
            is_broken_off: Arc::default(),
            ending: None,
        };
        let (path, is_broken_off) = (folder.path.clone(), Arc::clone(&folder.is_broken_off));
        let ending = thread::Builder::new().spawn(move || {
            if let Some(signal) = signals.forever().next() {
                is_broken_off.store(true, Ordering::SeqCst);
                let _ = fs::remove_dir_all(path);
                let _ = emulate_default_handler(signal);
            }
        });
        folder.ending = Some(ending.map_err(|error| Error::io("waiting for signals", error))?);
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What fails because the folder is gone is no news: the signal is.
        if let (true, Some(ending)) = (
            self.is_broken_off.load(Ordering::SeqCst),
            self.ending.take(),
        ) {
            let _ = ending.join();
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Makes a folder under a name that nothing else has.
fn new_folder() -> Result<PathBuf> {
    // It must be found again from within.
    let temporary = std::path::absolute(std::env::temp_dir()).map_err(failed)?;
    let start = temporary.join(format!("proto-demo-{}", std::process::id()));
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
