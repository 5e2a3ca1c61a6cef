//! `proto http-get URL...`: bodies to stdout or to files.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use proto_http::{file_name, Client, Method, Request, Response, Target};
use proto_transport::{hide_password, without_password, Error, Refusal, Result, Url};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::credentials::Credentials;
use crate::direct::Direct;
use crate::download::{self, HttpArgs, Try};
use crate::exit_code::worst;
use crate::output::refuse_existing;
use crate::parallel::{self, Queue};
use crate::progress::Progress;
use crate::protocol::HTTP;
use crate::report::{json_line, Record, Report, Stage};
use crate::safe_name::safe_name;
use crate::save::{check_digest, malformed, Destination, Resume, Save};
use crate::wanted::Wanted;

/// Download: bodies to stdout or files.
#[derive(clap::Args)]
pub struct Args {
    /// What to download
    #[arg(value_name = "URL", required_unless_present = "input_file")]
    urls: Vec<String>,
    /// Read URLs from a file too, one a line (- for stdin)
    #[arg(short, long, value_name = "FILE")]
    input_file: Option<PathBuf>,
    /// Download over so many connections
    #[arg(short = 'j', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: u16,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Where bodies go.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Write to this file (- for stdout, as it comes even to a terminal)
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["remote_name", "output_dir"])]
    output: Option<PathBuf>,
    /// Write to a file named by the last part of the URL
    #[arg(short = 'O', long)]
    remote_name: bool,
    /// The same, in this folder (made if it is not there)
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Let the server name the file (Content-Disposition)
    #[arg(long)]
    content_disposition: bool,
    /// Go on with what an earlier run left, if it is still the same content; skip what is whole
    #[arg(long = "continue")]
    resume: bool,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    /// Fail unless the body has this digest
    #[arg(long, value_name = "sha256:HEX", value_parser = checksum)]
    checksum: Option<[u8; 32]>,
    /// Write the body of an error (status 400 or more) to stdout
    #[arg(long)]
    keep_error_body: bool,
    /// Print one JSON object for each file on stdout
    #[arg(long)]
    json: bool,
}

fn checksum(text: &str) -> std::result::Result<[u8; 32], String> {
    let wrong = "expected sha256: and 64 hexadecimal digits";
    let digits = text.strip_prefix("sha256:").ok_or(wrong)?;
    let bytes = proto_transport::certificate::from_hexadecimal(digits).ok_or(wrong)?;
    bytes.try_into().map_err(|_| wrong.to_owned())
}

/// Downloads everything; one failure does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let Wanted { urls, wrong } = Wanted::read(&args.urls, args.input_file.as_deref())?;
    let plan = Plan::new(args, urls.len())?;
    let report = Report::create(args.common.report.as_deref())?;
    let progress = Progress::new(args.common.looking.quiet, urls.len());
    let connector = args.common.connector(&HTTP)?;
    let credentials = Arc::new(Credentials::new(&args.common.credentials)?);
    let mut ended = Ended::default();
    for (text, error) in &wrong {
        let mut record = Record::new("http-get", hide_password(text));
        record.ended(&Err(Error::illegal(error.to_string())));
        crate::tell(error);
        report.add(&record)?;
        ended.count(&record);
    }
    let ended = Mutex::new(ended);
    let client = || {
        let (connector, credentials) = (connector.clone(), Arc::clone(&credentials));
        let mut client = download::client(connector, &args.common, credentials, Arc::clone(&urls))?;
        client.follow_redirects(args.http.redirects(&args.common));
        Ok(client)
    };
    // An error in the options is told once, before anything starts.
    let first = client()?;
    let clients = Mutex::new(VecDeque::from([first]));
    let job = Job {
        args,
        plan: &plan,
        progress: &progress,
        is_one_of_many: urls.len() > 1,
        claimed: &Mutex::default(),
    };
    parallel::run(usize::from(args.jobs), &urls, |mut queue| {
        let made = clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Ok(mut client) = made.map_or_else(client, Ok) else {
            return;
        };
        while let Some(url) = queue.next() {
            let record = job.download(&mut client, url, &mut queue);
            let told = report.add(&record);
            progress.done();
            let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.count(&record);
            if let Err(error) = told {
                ended.failed_ourselves(&error, &progress);
            }
        }
    });
    let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    let all = urls.len() + wrong.len();
    if ended.failed > 0 && all > 1 {
        let failed = ended.failed;
        crate::note(&format!("proto: {failed} of {all} downloads failed"));
    }
    Ok(worst(ended.codes))
}

/// What has come of the downloads so far.
#[derive(Default)]
struct Ended {
    failed: usize,
    codes: Vec<u8>,
}

impl Ended {
    fn count(&mut self, record: &Record) {
        self.failed += usize::from(!record.ok);
        if !self.codes.contains(&record.exit) {
            self.codes.push(record.exit);
        }
    }

    fn failed_ourselves(&mut self, error: &Error, progress: &Progress) {
        progress.say(&format!("proto: {error}"));
        self.codes.push(crate::exit_code::exit_code(error));
    }
}

/// Names of standard output. The last two are links that lead to whatever it is.
pub const STDOUT: [&str; 3] = ["-", "/dev/stdout", "/dev/fd/1"];

/// Where the bodies go, decided once.
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
            (None, None) if output.remote_name || output.content_disposition => {
                Plan::Folder(PathBuf::new())
            }
            (None, None) => Plan::Stdout { harmless: true },
        };
        let to_stdout = matches!(plan, Plan::Stdout { .. } | Plan::Device(_));
        let wrong = match plan {
            Plan::File(_) if count > 1 => {
                "-o names one file, but there are several URLs; see --output-dir"
            }
            Plan::Stdout { .. } | Plan::Device(_) if args.jobs > 1 && count > 1 => {
                "several downloads at once would mix on stdout; see --output-dir"
            }
            _ if to_stdout && output.resume => "--continue needs a file: -o, -O or --output-dir",
            _ if to_stdout && output.json => {
                "--json shares stdout with the body; see -o, -O, --output-dir and --report"
            }
            _ if output.checksum.is_some() && count > 1 => "--checksum is for one URL",
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

    /// The file for a URL, if its name is known before the server has answered.
    fn known_name(&self, url: &Url, output: &OutputArgs) -> Option<PathBuf> {
        match self {
            Plan::Stdout { .. } => None,
            Plan::File(path) => Some(path.clone()),
            Plan::Device(_) => None,
            Plan::Folder(_) if output.content_disposition => None,
            Plan::Folder(folder) => Some(folder.join(name_in(url))),
        }
    }

    /// The file that the server names, inside our folder.
    fn server_name(&self, url: &Url, response: &Response<'_>) -> Option<PathBuf> {
        let Plan::Folder(folder) = self else {
            return None;
        };
        let named = response.head().fields.get("Content-Disposition");
        let name = named.and_then(file_name).map(|name| safe_name(&name));
        Some(folder.join(name.unwrap_or_else(|| name_in(url))))
    }
}

/// The last part of the path of the URL that the user named; never of one that a redirect leads to.
fn name_in(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut parts| parts.next_back());
    let last = last.unwrap_or_default();
    match proto_transport::decoded(last, "file name") {
        Ok(name) => safe_name(&name),
        Err(_) => safe_name(last),
    }
}

/// What is there of a file before it is asked for.
enum Earlier {
    Nothing,
    Part(Box<Resume>),
    Whole,
}

/// What all downloads of a command have in common.
#[derive(Clone, Copy)]
struct Job<'a> {
    args: &'a Args,
    plan: &'a Plan,
    progress: &'a Progress,
    is_one_of_many: bool,
    /// The files of this run, and for which URL each is.
    claimed: &'a Mutex<HashMap<PathBuf, Url>>,
}

impl Job<'_> {
    fn download(&self, client: &mut Client, url: &Url, queue: &mut Queue<'_, Url>) -> Record {
        let target = without_password(url);
        let mut record = Record::new("http-get", target.as_str());
        let started = Instant::now();
        let args = self.args;
        let say = |text: &str| self.progress.say(text);
        let result = download::retrying(&args.common, say, |this| {
            match self.attempt(client, url, &mut record, this, queue) {
                Err(_) if std::mem::take(&mut this.may_repeat_at_once) && !this.is_last => {
                    self.attempt(client, url, &mut record, this, queue)
                }
                result => result,
            }
        });
        record.time("total", started.elapsed());
        record.ended(&result);
        match &result {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) if self.is_one_of_many => {
                self.progress.say(&format!("proto: {target}: {error}"));
            }
            Err(error) => self.progress.say(&format!("proto: {error}")),
            Ok(()) => {
                let told = self.tell(&target, &record);
                if let Err(error) = &told {
                    crate::tell(error);
                }
                record.ended(&told);
            }
        }
        record
    }

    fn tell(&self, target: &str, record: &Record) -> Result<()> {
        if self.args.output.json {
            let file = record.items.first().and_then(|item| item.get("file"));
            let row = json!({ "url": target, "file": file, "bytes": record.bytes });
            json_line(&row)
                .map_err(std::io::Error::from)
                .and_then(|row| std::io::stdout().write_all(row.as_bytes()))
                .map_err(|error| Error::io("writing to stdout", error))?;
        }
        if self.args.common.looking.verbose {
            let stored = record.bytes.get("stored").cloned().unwrap_or_default();
            let from = record
                .peer
                .get("address")
                .and_then(|address| address.as_str());
            let from = from.unwrap_or("nobody");
            let tls = if record.tls.is_null() {
                ""
            } else {
                " over TLS"
            };
            self.progress
                .say(&format!("{target}: {stored} bytes from {from}{tls}"));
        }
        Ok(())
    }

    fn attempt(
        &self,
        client: &mut Client,
        url: &Url,
        record: &mut Record,
        this: &mut Try,
        queue: &mut Queue<'_, Url>,
    ) -> Result<()> {
        let known = self.plan.known_name(url, &self.args.output);
        let resume = match &known {
            Some(name) => match self.earlier(name, url, this)? {
                Earlier::Whole => return self.skip(name, record),
                Earlier::Part(resume) => Some(*resume),
                Earlier::Nothing => None,
            },
            None => None,
        };
        let request = match &resume {
            Some(resume) => resume.request(&self.args.http, url)?,
            None => self.request(url)?,
        };
        let mut hops = Vec::new();
        let mut response = client.send(request, &mut hops)?;
        self.ask_ahead(&mut response, queue);
        let hasty = response.asked_ahead() > 0;
        download::note_response(record, &response, &hops);
        this.pause = download::pause_wanted(&response);
        if let Some(resume) = &resume {
            if !resume.is_answered_by(&response) {
                // Not the rest of what we have, whatever it is: all of it must come again.
                this.may_repeat_at_once = !this.starts_anew;
                this.starts_anew = true;
                let rule = "a 206 holds the range that was asked for";
                return Err(malformed(&response, rule));
            }
        }
        if response.head().status == 304 && self.is_conditional() {
            record.note("unchanged", true);
            response.finish();
            return Ok(());
        }
        if let Some(refusal) = self.refusal(&response) {
            return self.refused(response, record, this, refusal);
        }
        let destination = self.destination(url, known.as_deref(), &response)?;
        record.stage = Stage::Transfer;
        let directly = matches!(destination, Destination::Direct { .. });
        let result = self.save(url, record).run(response, destination, resume);
        let stored = record.bytes.get("stored");
        this.is_last = directly && stored.is_some_and(|stored| *stored != 0);
        // Some servers lose answers when several requests are under way. Then it was our haste, and
        // the request deserves a connection of its own.
        this.may_repeat_at_once = hasty && matches!(result, Err(Error::Closed { .. }));
        if this.may_repeat_at_once {
            client.never_ask_ahead(&Target::from_url(url)?);
        }
        result
    }

    /// What earlier runs and tries have left.
    fn earlier(&self, name: &Path, url: &Url, this: &Try) -> Result<Earlier> {
        let output = &self.args.output;
        self.claim(name, url)?;
        let whole = || fs::metadata(name).is_ok_and(|file| file.is_file());
        if output.resume && !output.force && whole() {
            return Ok(Earlier::Whole);
        }
        refuse_existing(name, output.force)?;
        if this.starts_anew || !(output.resume || this.number > 0) {
            return Ok(Earlier::Nothing);
        }
        let resume = Resume::find(name, output.force, url)?;
        Ok(resume.map_or(Earlier::Nothing, |resume| Earlier::Part(Box::new(resume))))
    }

    /// Two URLs of one run never share a file.
    fn claim(&self, name: &Path, url: &Url) -> Result<()> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = claimed
            .entry(name.to_owned())
            .or_insert_with(|| url.clone());
        match first == url {
            true => Ok(()),
            false => Err(Error::io(
                format!("writing {}", name.display()),
                std::io::Error::new(
                    std::io::ErrorKind::AlreadyExists,
                    "another URL of this command has the same file name; download it by itself with -o",
                ),
            )),
        }
    }

    /// What an earlier run has made whole.
    fn skip(&self, name: &Path, record: &mut Record) -> Result<()> {
        let file = name.to_string_lossy();
        record.items = vec![json!({ "file": file, "skipped": "it is whole already" })];
        match self.args.output.checksum {
            Some(wanted) => check_digest(name, wanted),
            None => Ok(()),
        }
    }

    /// Whether the user asked for the content only if it has changed.
    fn is_conditional(&self) -> bool {
        let mut names = self.args.http.header.iter().map(|(name, _)| name);
        names.any(|name| name.to_ascii_lowercase().starts_with("if-"))
    }

    /// The error that a status is which brings no content to keep.
    fn refusal(&self, response: &Response<'_>) -> Option<Error> {
        let shows_redirects = self.args.http.max_redirects == 0;
        match response.head().status {
            304 => Some(download::refused(response, Refusal::Lasting)),
            300..=399 if !shows_redirects => Some(download::refused(response, Refusal::Lasting)),
            _ => download::refusal(response),
        }
    }

    fn request(&self, url: &Url) -> Result<Request> {
        let mut request = self.args.http.request(Method::get(), url)?;
        request.field("Accept-Encoding", self.args.http.accept_encoding())?;
        Ok(request)
    }

    /// Asks for what comes next in the queue before this response is read, if it is at the same
    /// origin.
    fn ask_ahead(&self, response: &mut Response<'_>, queue: &mut Queue<'_, Url>) {
        if self.args.output.resume {
            return;
        }
        for _ in 0..response.room_ahead() {
            let Some(url) = queue.peek(response.asked_ahead()) else {
                break;
            };
            // What is wrong with that one is told when its turn comes.
            let Ok(request) = self.request(url) else {
                break;
            };
            if !response.ask_ahead(request).unwrap_or(false) {
                break;
            }
        }
        response.send_ahead();
    }

    fn save<'s>(&'s self, url: &'s Url, record: &'s mut Record) -> Save<'s> {
        Save {
            url,
            raw: self.args.http.raw,
            force: self.args.output.force,
            checksum: self.args.output.checksum,
            max_size: self.args.common.connection.max_size,
            limit_rate: self.args.common.connection.limit_rate,
            deadline: self.args.common.deadline(),
            digest_differs: false,
            progress: self.progress,
            record,
        }
    }

    fn destination(
        &self,
        url: &Url,
        known: Option<&Path>,
        response: &Response<'_>,
    ) -> Result<Destination> {
        let name = known.map(Path::to_owned);
        if let Some(name) = name.or_else(|| self.plan.server_name(url, response)) {
            if known.is_none() {
                self.claim(&name, url)?;
                refuse_existing(&name, self.args.output.force)?;
            }
            return Ok(Destination::File(name));
        }
        let output = match self.plan {
            Plan::Device(device) => device.again()?,
            _ => Direct::stdout()?,
        };
        let harmless = matches!(self.plan, Plan::Stdout { harmless: true }) && output.is_terminal;
        Ok(Destination::Direct { output, harmless })
    }

    /// The body of an error goes to stdout or nowhere; no file is written.
    fn refused(
        &self,
        response: Response<'_>,
        record: &mut Record,
        this: &Try,
        refusal: Error,
    ) -> Result<()> {
        let tries_again = refusal.is_transient() && this.number < self.args.common.connection.retry;
        if !self.args.output.keep_error_body || tries_again {
            response.finish_unread();
            return Err(refusal);
        }
        let output = Direct::stdout()?;
        let harmless = output.is_terminal;
        let url = response.url().clone();
        let mut save = self.save(&url, record);
        save.checksum = None;
        save.run(response, Destination::Direct { output, harmless }, None)?;
        record.stage = Stage::Command;
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::parse_url;

    #[test]
    fn names_come_from_the_url_and_are_safe() {
        for (url, name) in [
            ("http://a/b/page.html?q=/x#y", "page.html"),
            ("http://a/", "index.html"),
            ("http://a/b/", "index.html"),
            ("http://a/..%2f..%2fetc%2fpasswd", "passwd"),
            ("http://a/%2e%2e", "index.html"),
            ("http://a/.bashrc", "bashrc"),
            ("http://a/a%20b%C3%BC", "a bü"),
            ("http://a/a%0ab", "a%0ab"),
        ] {
            let parsed = parse_url(url, "http").unwrap();
            assert_eq!(name_in(&parsed), name, "{url}");
        }
    }

    #[test]
    fn checksums_are_sha256_in_hexadecimal() {
        assert_eq!(
            checksum(&format!("sha256:{}", "0A".repeat(32))),
            Ok([10; 32])
        );
        for wrong in ["", "sha256:", "sha256:00", "md5:00"] {
            assert!(checksum(wrong).is_err(), "{wrong}");
        }
    }
}
