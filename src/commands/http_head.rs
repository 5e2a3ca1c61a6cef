//! `proto http-head URL...`: the head of a response alone.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use proto_http::{Client, Head, Method, Response};
use proto_transport::escape::escaped;
use proto_transport::{hide_password, parse_url, without_password, Error, Result, Url};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::credentials::Credentials;
use crate::download::{self, HttpArgs, Try};
use crate::exit_code::{exit_code, worst};
use crate::protocol::HTTP;
use crate::report::{json_line, Record, Report};

/// Show the head of a response alone.
#[derive(clap::Args)]
pub struct Args {
    /// What to ask for
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// One JSON object a line
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Asks for each head in turn; one failure does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let urls = args.urls.iter().map(|text| parse_url(text, "http"));
    let urls: Vec<Result<Url>> = urls.collect();
    let named: Arc<[Url]> = urls.iter().flatten().cloned().collect();
    let report = Report::create(args.common.report.as_deref())?;
    let connector = args.common.connector(&HTTP)?;
    let credentials = Arc::new(Credentials::new(&args.common.credentials)?);
    let mut client = download::client(connector, &args.common, credentials, named)?;
    client.follow_redirects(args.http.redirects(&args.common));
    let mut codes = Vec::new();
    for (text, url) in args.urls.iter().zip(urls) {
        let mut record = Record::new("http-head", hide_password(text));
        let result = url.and_then(|url| {
            record.target = without_password(&url);
            head(args, &mut client, &url, &mut record)
        });
        record.ended(&result);
        codes.push(record.exit);
        for error in [result.err(), report.add(&record).err()].iter().flatten() {
            crate::tell(error);
            codes.push(exit_code(error));
        }
    }
    Ok(worst(codes))
}

/// Asks until there is an answer to keep, and shows that one alone.
fn head(args: &Args, client: &mut Client, url: &Url, record: &mut Record) -> Result<()> {
    let started = Instant::now();
    let mut shown = String::new();
    let result = download::retrying(&args.common, crate::note, |this| {
        shown.clear();
        ask(args, client, url, record, this, &mut shown)
    });
    record.time("total", started.elapsed());
    let written = std::io::stdout().write_all(shown.as_bytes());
    result.and(written.map_err(failed))
}

fn ask(
    args: &Args,
    client: &mut Client,
    url: &Url,
    record: &mut Record,
    this: &mut Try,
    shown: &mut String,
) -> Result<()> {
    let mut request = args.http.request(Method::head(), url)?;
    request.field("Accept-Encoding", args.http.accept_encoding())?;
    let mut hops = Vec::new();
    let response = client.send(request, &mut hops)?;
    download::note_response(record, &response, &hops);
    *shown = match args.json {
        true => row(&response).map_err(|error| failed(error.into()))?,
        false => lines(response.head()),
    };
    let refused = download::refusal(&response);
    this.pause = download::pause_wanted(&response);
    response.finish();
    refused.map_or(Ok(()), Err)
}

fn failed(error: std::io::Error) -> Error {
    Error::io("writing to stdout", error)
}

fn row(response: &Response<'_>) -> serde_json::Result<String> {
    let head = response.head();
    let fields: Vec<_> = head
        .fields
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    json_line(&json!({
        "url": without_password(response.url()),
        "status": head.status,
        "reason": String::from_utf8_lossy(&head.reason),
        "fields": fields,
    }))
}

fn lines(head: &Head) -> String {
    let reason = escaped(&head.reason);
    let mut text = format!("HTTP/1.{} {} {reason}\n", head.minor_version, head.status);
    for (name, value) in head.fields.iter() {
        text.push_str(&format!("{name}: {}\n", escaped(value)));
    }
    text.push('\n');
    text
}
