//! `proto http-head URL...`: the head of a response alone.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use proto_http::{Client, Head, Method, Response};
use proto_transport::escape::escaped;
use proto_transport::{parse_url, without_password, Error, Result, Url};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::credentials::Credentials;
use crate::download::{self, HttpArgs, Try};
use crate::exit_code::worst;
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

/// Asks for each head in turn.
pub fn run(args: &Args) -> Result<u8> {
    let urls: Result<Arc<[Url]>> = args.urls.iter().map(|url| parse_url(url, "http")).collect();
    let urls = urls?;
    let report = Report::create(args.common.report.as_deref())?;
    let connector = args.common.connector(&["http/1.1"])?;
    let credentials = Arc::new(Credentials::new(&args.common.credentials)?);
    let mut client = download::client(connector, &args.common, credentials, Arc::clone(&urls))?;
    client.follow_redirects(args.http.redirects(&args.common));
    let mut codes = Vec::new();
    for url in urls.iter() {
        let mut record = Record::new("http-head", without_password(url));
        let started = Instant::now();
        let result = download::retrying(&args.common, |this| {
            ask(args, &mut client, url, &mut record, this)
        });
        record.time("total", started.elapsed());
        record.ended(&result);
        if let Err(error) = &result {
            crate::tell(error);
        }
        report.add(&record)?;
        codes.push(record.exit);
    }
    Ok(worst(codes))
}

fn ask(
    args: &Args,
    client: &mut Client,
    url: &Url,
    record: &mut Record,
    this: &mut Try,
) -> Result<()> {
    let mut request = args.http.request(Method::head(), url)?;
    request.field("Accept-Encoding", args.http.accept_encoding())?;
    let mut hops = Vec::new();
    let response = client.send(request, &mut hops)?;
    download::note_response(record, &response, &hops);
    show(&response, args.json)?;
    let refused = download::refusal(&response);
    this.pause = download::pause_wanted(&response);
    response.finish();
    refused.map_or(Ok(()), Err)
}

fn show(response: &Response<'_>, json: bool) -> Result<()> {
    let failed = |error| Error::io("writing to stdout", error);
    let text = match json {
        true => row(response).map_err(|error| failed(error.into()))?,
        false => lines(response.head()),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(failed)
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
