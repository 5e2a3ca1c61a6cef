//! `proto ftp-get URL...`: files to stdout, to files, or whole trees.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use proto_ftp::{Session, Target, Type};
use proto_transport::{hide_password, without_password, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::commands::http_get::STDOUT;
use crate::direct::Direct;
use crate::exit_code::{exit_code, worst};
use crate::ftp::choice::{Choice, ChoiceArgs};
use crate::ftp::digest::{checksum, Checksum};
use crate::ftp::download::{Downloads, Remote};
use crate::ftp::fleet::{Attempt, Fleet, Job, Tally};
use crate::ftp::local::Place;
use crate::ftp::trees::{down, Way};
use crate::ftp::{last_part, FtpArgs, Service};
use crate::progress::Progress;
use crate::report::{json_line, Record, Report};
use crate::rows::Rows;
use crate::safe_name::safe_bytes;
use crate::save::Sink;

/// Get files from FTP servers.
#[derive(clap::Args)]
pub struct Args {
    /// What to get: ftp://host/path, ftps:// or host[:port]/path; ;type=a behind it for text
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
    /// Get folders with all that is in them, into the output folder
    #[arg(short, long)]
    recursive: bool,
    /// Get over so many connections
    #[arg(short = 'j', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: u16,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Where files go.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Write to this file (- for stdout, as it comes even to a terminal)
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["remote_name", "output_dir", "recursive"])]
    output: Option<PathBuf>,
    /// Write to a file named by the last part of the URL
    #[arg(short = 'O', long)]
    remote_name: bool,
    /// The same, in this folder (made if it is not there)
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Go on with what an earlier run left, if size and time are still the same; skip what is whole
    #[arg(long = "continue")]
    resume: bool,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    /// Fail unless the file has this digest, or the one that the server tells
    #[arg(long, value_name = "sha256:HEX|server", value_parser = checksum)]
    checksum: Option<Checksum>,
    /// Print one JSON object for each file on stdout
    #[arg(long)]
    json: bool,
}

/// Gets everything; one failure does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let report = Report::create(args.common.report.as_deref())?;
    let mut codes = Vec::new();
    let mut targets = Vec::new();
    for text in &args.urls {
        match Target::parse(text).and_then(|target| fits(target, args)) {
            Ok(target) => targets.push(target),
            Err(error) => {
                let mut record = Record::new("ftp-get", hide_password(text));
                crate::tell(&error);
                record.ended(&Err(error));
                codes.push(record.exit);
                report.add(&record)?;
            }
        }
    }
    let plan = Plan::new(args, args.urls.len())?;
    let services = services(&targets, args)?;
    let getting = Getting {
        args,
        plan: &plan,
        report: &report,
        codes: Mutex::new(codes),
        claimed: Mutex::default(),
    };
    match args.recursive {
        true => getting.trees(&services)?,
        false => getting.files(&services),
    }
    let codes = getting.codes.into_inner();
    Ok(worst(codes.unwrap_or_else(PoisonError::into_inner)))
}

fn fits(target: Target, args: &Args) -> Result<Target> {
    match (args.recursive, target.is_folder || target.path.is_none()) {
        (false, true) => Err(Error::illegal(format!(
            "{} names a folder; see -r, and ftp-list",
            without_password(target.url())
        ))),
        (true, _) if target.kind == Some(Type::Ascii) => {
            Err(Error::illegal(";type=a is for one text, and not for trees"))
        }
        _ => Ok(target),
    }
}

/// Each target with the way to its server: one for all that have the same.
fn services<'t>(targets: &'t [Target], args: &Args) -> Result<Vec<(Service, Vec<&'t Target>)>> {
    let mut services: Vec<(Service, Vec<&Target>)> = Vec::new();
    for target in targets {
        match services
            .iter_mut()
            .find(|(service, _)| service.serves(target))
        {
            Some((_, all)) => all.push(target),
            None => {
                let service = Service::new(target, &args.ftp, &args.common)?;
                services.push((service, vec![target]));
            }
        }
    }
    Ok(services)
}

/// Where the files go, decided once.
enum Plan {
    Stdout { harmless: bool },
    Device(Direct),
    File(PathBuf),
    Folder(PathBuf),
}

impl Plan {
    fn new(args: &Args, count: usize) -> Result<Plan> {
        let output = &args.output;
        let plan = match (&output.output, &output.output_dir) {
            (Some(path), _) if STDOUT.iter().any(|name| path.as_os_str() == *name) => {
                Plan::Stdout { harmless: false }
            }
            (Some(path), _) if Direct::is_device(path, output.force) => {
                Plan::Device(Direct::device(path, args.common.deadline())?)
            }
            (Some(path), _) => Plan::File(path.clone()),
            (None, Some(folder)) => Plan::Folder(folder.clone()),
            (None, None) if output.remote_name || args.recursive => Plan::Folder(PathBuf::new()),
            (None, None) => Plan::Stdout { harmless: true },
        };
        let to_stdout = matches!(plan, Plan::Stdout { .. } | Plan::Device(_));
        let wrong = match plan {
            Plan::File(_) if count > 1 => {
                "-o names one file, but there are several URLs; see --output-dir"
            }
            Plan::Stdout { .. } | Plan::Device(_) if args.jobs > 1 && count > 1 => {
                "several files at once would mix on stdout; see --output-dir"
            }
            _ if to_stdout && output.resume => "--continue needs a file: -o, -O or --output-dir",
            _ if to_stdout && output.json => {
                "--json shares stdout with the file; see -o, -O, --output-dir and --report"
            }
            _ if to_stdout && output.checksum == Some(Checksum::Server) => {
                "--checksum server needs a file: -o, -O or --output-dir"
            }
            _ if matches!(output.checksum, Some(Checksum::Sha256(_)))
                && (count > 1 || args.recursive) =>
            {
                "--checksum sha256: is for one file"
            }
            _ => "",
        };
        if !wrong.is_empty() {
            return Err(Error::illegal(wrong));
        }
        if let Plan::Folder(folder) = &plan {
            if !folder.as_os_str().is_empty() {
                fs::create_dir_all(folder)
                    .map_err(|error| Error::io(format!("making {}", folder.display()), error))?;
            }
        }
        Ok(plan)
    }
}

struct Getting<'a> {
    args: &'a Args,
    plan: &'a Plan,
    report: &'a Report,
    codes: Mutex<Vec<u8>>,
    /// The files of this run, and for which URL each is.
    claimed: Mutex<HashMap<PathBuf, String>>,
}

impl Getting<'_> {
    fn downloads<'d>(&'d self, progress: &'d Progress, kind: Type) -> Downloads<'d> {
        let output = &self.args.output;
        Downloads {
            common: &self.args.common,
            progress,
            force: output.force,
            resume: output.resume,
            checksum: output.checksum,
            kind,
        }
    }

    fn fleet<'f>(&'f self, progress: &'f Progress) -> Fleet<'f> {
        Fleet {
            command: "ftp-get",
            connections: self.args.jobs,
            common: &self.args.common,
            progress,
        }
    }

    fn files(&self, services: &[(Service, Vec<&Target>)]) {
        let mut jobs = Vec::new();
        for (service, targets) in services {
            jobs.extend(targets.iter().map(|target| Job {
                service,
                url: without_password(target.url()),
                what: *target,
            }));
        }
        let progress = Progress::new(self.args.common.looking.quiet, jobs.len());
        let is_one = self.args.urls.len() == 1;
        let untried = self.fleet(&progress).run(
            &jobs,
            |session, target, record, attempt| {
                self.get(session, target, record, attempt, &progress)
            },
            |job, record, result| {
                match &result {
                    Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {}
                    Err(error) if is_one => progress.say(&format!("proto: {error}")),
                    Err(error) => progress.say(&format!("proto: {}: {error}", job.url)),
                    Ok(()) => {}
                }
                let told = self.told(&record, &progress);
                let told = told.and_then(|()| self.report.add(&record));
                self.count(record.exit);
                if let Err(error) = told {
                    crate::tell(&error);
                    self.count(exit_code(&error));
                }
            },
        );
        if untried > 0 {
            progress.say(&format!("proto: {untried} files were not tried"));
        }
    }

    fn count(&self, code: u8) {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if !codes.contains(&code) {
            codes.push(code);
        }
    }

    fn told(&self, record: &Record, progress: &Progress) -> Result<()> {
        if self.args.common.looking.verbose && record.ok {
            let stored = record.bytes.get("stored").cloned().unwrap_or_default();
            progress.say(&format!("{}: {stored} bytes", record.target));
        }
        if !self.args.output.json {
            return Ok(());
        }
        let file = record.items.first().and_then(|item| item.get("file"));
        let row = json!({
            "url": record.target,
            "file": file.filter(|_| record.ok),
            "ok": record.ok,
            "bytes": record.bytes,
            "error": record.error,
        });
        json_line(&row)
            .map_err(std::io::Error::from)
            .and_then(|row| std::io::stdout().write_all(row.as_bytes()))
            .map_err(|error| Error::io("writing to stdout", error))
    }

    fn get(
        &self,
        session: &mut Session,
        target: &Target,
        record: &mut Record,
        attempt: &mut Attempt,
        progress: &Progress,
    ) -> Result<()> {
        let Some(path) = &target.path else {
            return Err(Error::illegal("the URL names no file"));
        };
        let url = without_password(target.url());
        let downloads = self.downloads(progress, target.kind.unwrap_or(Type::Image));
        let remote = Remote::unknown(path, &url);
        let place = match self.plan {
            Plan::File(place) => place.clone(),
            Plan::Folder(folder) => {
                let name = safe_bytes(last_part(path));
                if name.as_encoded_bytes() != last_part(path) && !attempt.goes_on {
                    let text = format!("{path} is stored as {}", name.display());
                    progress.say(&format!("proto: {text}: not every name is given to a file"));
                }
                folder.join(name)
            }
            Plan::Stdout { .. } | Plan::Device(_) => {
                let output = match self.plan {
                    Plan::Device(device) => device.again()?,
                    _ => Direct::stdout()?,
                };
                let is_shown = matches!(self.plan, Plan::Stdout { harmless: true });
                let mut file = output.file;
                let sink = match is_shown && output.is_terminal {
                    true => Sink::Terminal(&mut file, Vec::new()),
                    false => Sink::File(&mut file, output.can_splice),
                };
                let result = downloads.straight(session, &remote, sink, record);
                let stored = record.bytes.get("stored");
                attempt.is_last = stored.is_some_and(|stored| *stored != 0);
                return result;
            }
        };
        self.claim(&place, &url)?;
        downloads.to_file(session, &remote, &place, record, attempt.goes_on)?;
        Ok(())
    }

    /// Two URLs of one run never share a file.
    fn claim(&self, place: &LocalPath, url: &str) -> Result<()> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = claimed
            .entry(place.to_owned())
            .or_insert_with(|| url.to_owned());
        match first == url {
            true => Ok(()),
            false => Err(Error::io(
                format!("writing {}", place.display()),
                std::io::Error::new(
                    ErrorKind::AlreadyExists,
                    "another URL of this command has the same file name; get it by itself with -o",
                ),
            )),
        }
    }

    fn trees(&self, services: &[(Service, Vec<&Target>)]) -> Result<()> {
        let choice = Choice::new(&self.args.choice)?;
        for (service, targets) in services {
            for target in targets {
                self.tree(service, target, &choice)?;
            }
        }
        Ok(())
    }

    /// A folder with all that is in it.
    fn tree(&self, service: &Service, target: &Target, choice: &Choice) -> Result<()> {
        let Plan::Folder(folder) = self.plan else {
            return Err(Error::illegal("a tree needs a folder; see --output-dir"));
        };
        let mut record = Record::new("ftp-get", without_password(target.url()));
        let name = target.path.as_ref().map(last_part).unwrap_or_default();
        let root = match name.is_empty() || name == b"." {
            true if folder.as_os_str().is_empty() => PathBuf::from("."),
            true => folder.clone(),
            false => folder.join(safe_bytes(name)),
        };
        let started = Instant::now();
        let progress = Progress::new(self.args.common.looking.quiet, 1);
        let rows = Rows::new(self.args.output.json, self.args.common.report.is_some());
        let tally = Tally::new(rows, &progress);
        let downloads = self.downloads(&progress, Type::Image);
        let way = Way {
            service,
            target,
            fleet: &self.fleet(&progress),
            tally: &tally,
        };
        let result = down(&way, &downloads, &Place::new(&root), choice, &mut record);
        let mut codes = Vec::new();
        tally.conclude(&mut record, &mut codes);
        if let Err(error) = &result {
            crate::tell(error);
        }
        record.time("total", started.elapsed());
        record.ended(&result);
        record.exit = worst(codes.into_iter().chain([record.exit]));
        record.ok = record.exit == 0;
        self.count(record.exit);
        self.report.add(&record)
    }
}
