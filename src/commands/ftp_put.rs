//! `proto ftp-put FILE... URL`: files to an FTP server.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::{Mutex, PoisonError};

use proto_ftp::{Path, Session, Target, Type};
use proto_transport::{without_password, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::exit_code::{exit_code, worst};
use crate::ftp::fleet::{Fleet, Job};
use crate::ftp::trees::make_all;
use crate::ftp::upload::{Learned, Safety, Source, Uploads};
use crate::ftp::{in_folder, last_part, shown, FtpArgs, Service};
use crate::progress::Progress;
use crate::report::{json_line, Record, Report};

/// Put files on an FTP server.
#[derive(clap::Args)]
pub struct Args {
    /// What to put (- for stdin), and behind it where: ftp://host/folder/ or, for one file, its name
    #[arg(value_name = "FILE... URL", num_args = 2.., required = true)]
    names: Vec<PathBuf>,
    /// Put over so many connections
    #[arg(short = 'j', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: u16,
    #[command(flatten)]
    how: HowArgs,
    /// Print one JSON object for each file on stdout
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// How files are put.
#[derive(clap::Args)]
#[command(next_help_heading = "Putting")]
struct HowArgs {
    /// Make the folders of the URL that are missing
    #[arg(long)]
    mkdir: bool,
    /// Go on with what an earlier run left, if the file here is still the same
    #[arg(long = "continue", conflicts_with = "direct")]
    resume: bool,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    /// Put each file under another name, or not at all, and give it its own when all of it is
    /// there; without this, where the server lets it
    #[arg(long)]
    safe: bool,
    /// Put each file under its own name from the first byte on
    #[arg(long, conflicts_with = "safe")]
    direct: bool,
}

/// A file and where it goes.
struct Errand {
    from: PathBuf,
    to: Path,
}

/// Puts everything; one failure does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let (url, files) = match args.names.split_last() {
        Some((url, files)) if !files.is_empty() => (url, files),
        _ => return Err(Error::illegal("what to put, and where? FILE... URL")),
    };
    let url = url
        .to_str()
        .ok_or_else(|| Error::illegal("the URL is not UTF-8"))?;
    let target = Target::parse(url)?;
    let report = Report::create(args.common.report.as_deref())?;
    let errands = errands(files, &target)?;
    let service = Service::new(&target, &args.ftp, &args.common)?;
    let progress = Progress::new(args.common.looking.quiet, errands.len());
    let uploads = Uploads {
        common: &args.common,
        progress: &progress,
        account: service.account(),
        force: args.how.force,
        resume: args.how.resume,
        safety: match (args.how.safe, args.how.direct) {
            (true, _) => Safety::Always,
            (_, true) => Safety::Never,
            _ => Safety::WherePossible,
        },
        kind: target.kind.unwrap_or(Type::Image),
        learned: Learned::default(),
    };
    if args.how.mkdir {
        make_folder(&service, &target, args)?;
    }
    let jobs: Vec<Job<'_, Errand>> = errands
        .into_iter()
        .map(|errand| Job {
            service: &service,
            url: without_password(target.url()),
            what: errand,
        })
        .collect();
    let fleet = Fleet {
        command: "ftp-put",
        connections: args.jobs,
        common: &args.common,
        progress: &progress,
    };
    let codes = Mutex::new(Vec::new());
    let untried = fleet.run(
        &jobs,
        |session: &mut Session, errand, record, attempt| {
            let source = source(&errand.from);
            attempt.is_last = matches!(source, Source::Stdin);
            uploads.put(session, source, &errand.to, record, attempt.goes_on)
        },
        |job, record, result| {
            let mut codes = codes.lock().unwrap_or_else(PoisonError::into_inner);
            codes.push(record.exit);
            if let Err(error) = &result {
                progress.say(&format!("proto: {}: {error}", job.what.from.display()));
            }
            let told = tell(args, job, &record).and_then(|()| report.add(&record));
            if let Err(error) = told {
                crate::tell(&error);
                codes.push(exit_code(&error));
            }
        },
    );
    if untried > 0 {
        progress.say(&format!("proto: {untried} files were not tried"));
    }
    Ok(worst(
        codes.into_inner().unwrap_or_else(PoisonError::into_inner),
    ))
}

fn source(from: &LocalPath) -> Source<'_> {
    match from.as_os_str() == "-" {
        true => Source::Stdin,
        false => Source::File(from),
    }
}

/// Which file goes where: into the folder of the URL, or a single one to the name in it.
fn errands(files: &[PathBuf], target: &Target) -> Result<Vec<Errand>> {
    let is_folder = target.is_folder || target.path.is_none();
    if let ([file], false, Some(path)) = (files, is_folder, &target.path) {
        return Ok(vec![Errand {
            from: file.clone(),
            to: path.clone(),
        }]);
    }
    if !is_folder {
        return Err(Error::illegal(
            "several files go to a folder: end its URL with a slash",
        ));
    }
    let errand = |file: &PathBuf| {
        let name = file.file_name().map(OsStr::as_bytes).unwrap_or_default();
        if name.is_empty() || file.as_os_str() == "-" {
            return Err(Error::illegal(format!(
                "{}: under which name? End the URL with it",
                file.display()
            )));
        }
        Ok(Errand {
            from: file.clone(),
            to: in_folder(target.path.as_ref(), name)?,
        })
    };
    let errands: Vec<Errand> = files.iter().map(errand).collect::<Result<_>>()?;
    let mut names: Vec<&Path> = errands.iter().map(|errand| &errand.to).collect();
    names.sort();
    match names
        .windows(2)
        .find(|pair| matches!(pair, [a, b] if a == b))
    {
        Some(pair) => Err(Error::illegal(format!(
            "two files have the name {}",
            pair.first().map(ToString::to_string).unwrap_or_default()
        ))),
        None => Ok(errands),
    }
}

/// The folder that the files go to, with those above it.
fn make_folder(service: &Service, target: &Target, args: &Args) -> Result<()> {
    let Some(path) = &target.path else {
        return Ok(());
    };
    let bytes = path.as_bytes();
    let end = bytes.len() - last_part(path).len();
    let above = bytes.get(..end).unwrap_or_default();
    let above = match above {
        [parent @ .., b'/'] if !parent.is_empty() => parent,
        other => other,
    };
    let folder = match target.is_folder {
        true => path.clone(),
        false if above.is_empty() || above == b"/" => return Ok(()),
        false => Path::new(above)?,
    };
    let mut record = Record::new("ftp-put", without_password(target.url()));
    let made = service.converse(&mut record, |session, _| make_all(session, &folder));
    if made.is_err() {
        record.ended(&made);
        Report::create(args.common.report.as_deref())?.add(&record)?;
    }
    made
}

fn tell(args: &Args, job: &Job<'_, Errand>, record: &Record) -> Result<()> {
    if args.common.looking.verbose && record.ok {
        let sent = record.bytes.get("sent").cloned().unwrap_or_default();
        crate::note(&format!("{}: {sent} bytes", job.what.to));
    }
    if !args.json {
        return Ok(());
    }
    let row = json!({
        "file": job.what.from.to_string_lossy(),
        "path": shown(job.what.to.as_bytes()),
        "ok": record.ok,
        "bytes": record.bytes,
        "error": record.error,
    });
    json_line(&row)
        .map_err(std::io::Error::from)
        .and_then(|row| std::io::stdout().write_all(row.as_bytes()))
        .map_err(|error| Error::io("writing to stdout", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(files: &[&str], url: &str) -> Option<Vec<String>> {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let errands = errands(&files, &Target::parse(url).unwrap()).ok()?;
        Some(errands.iter().map(|errand| errand.to.to_string()).collect())
    }

    #[test]
    fn files_go_to_folders_and_a_single_one_to_a_name() {
        let paths = |all: &[&str]| Some(all.iter().map(|path| (*path).to_owned()).collect());
        assert_eq!(to(&["x/a"], "ftp://h"), paths(&["a"]));
        assert_eq!(to(&["x/a"], "ftp://h/b"), paths(&["b"]));
        assert_eq!(to(&["x/a"], "ftp://h/b/"), paths(&["b/a"]));
        assert_eq!(to(&["a", "b"], "ftp://h//c/"), paths(&["/c/a", "/c/b"]));
        assert_eq!(to(&["-"], "ftp://h/b"), paths(&["b"]));
        for files in [&["a", "b"][..], &["x/a", "y/a"], &["-"], &[".."]] {
            let url = if files == ["a", "b"] {
                "ftp://h/c"
            } else {
                "ftp://h/c/"
            };
            assert_eq!(to(files, url), None, "{files:?}");
        }
    }
}
