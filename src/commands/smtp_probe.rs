//! `proto smtp-probe SERVER`: what a mail server says of itself, before and after TLS.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Instant;

use proto_smtp::{exchangers, name_servers, Client, Extension, Extensions, Target};
use proto_transport::escape::escaped;
use proto_transport::{
    hide_password, without_password, Connector, Error, Facts, Result, Security, StatusReply,
};
use serde_json::{json, Value};

use crate::cli::CommonArgs;
use crate::exit_code::{exit_code, worst};
use crate::protocol::SMTP;
use crate::report::{json_line, tls, Record, Report, Stage};
use crate::smtp::SmtpArgs;

/// Look at a mail server: extensions, TLS, certificate, mechanisms, limits.
#[derive(clap::Args)]
pub struct Args {
    /// The servers: smtp://, smtps://, submission://, lmtp:// or host[:port]
    #[arg(value_name = "SERVER", required_unless_present = "mx")]
    servers: Vec<String>,
    /// Look at every mail exchanger of this domain
    #[arg(long, value_name = "DOMAIN", conflicts_with = "servers")]
    mx: Option<String>,
    /// Ask this name server for the exchangers, instead of the system's
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "servers", value_parser = name_server)]
    dns: Option<SocketAddr>,
    /// One JSON object a server
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    smtp: SmtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

fn name_server(text: &str) -> std::result::Result<SocketAddr, String> {
    let mut addresses = (text, 53).to_socket_addrs();
    if text.contains(':') && text.parse::<std::net::IpAddr>().is_err() {
        addresses = text.to_socket_addrs();
    }
    let mut addresses = addresses.map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no such host".to_owned())
}

/// Looks at each server in turn; one failure does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let report = Report::create(args.common.report.as_deref())?;
    let connector = args.common.connector(&SMTP)?;
    let mut codes = Vec::new();
    for server in servers(args)? {
        let mut record = Record::new("smtp-probe", hide_password(&server));
        let started = Instant::now();
        let result = probe(args, &connector, &server, &mut record);
        record.time("total", started.elapsed());
        record.ended(&result);
        codes.push(record.exit);
        for error in [result.err(), report.add(&record).err()].iter().flatten() {
            crate::tell(error);
            codes.push(exit_code(error));
        }
    }
    Ok(worst(codes))
}

fn servers(args: &Args) -> Result<Vec<String>> {
    let Some(domain) = &args.mx else {
        return Ok(args.servers.clone());
    };
    let servers = args.dns.map_or_else(name_servers, |server| vec![server]);
    let timeout = args.common.connection.connect_timeout;
    let found = exchangers(domain, &servers, Instant::now() + timeout)?;
    Ok(found.into_iter().map(|exchanger| exchanger.host).collect())
}

/// What a server told.
#[derive(Default)]
struct Seen {
    greeting: Option<StatusReply>,
    facts: Facts,
    clear: Option<Extensions>,
    encrypted: Option<Extensions>,
    /// Why the certificate cannot be trusted.
    distrust: Option<Error>,
    upgrades: bool,
}

fn probe(args: &Args, connector: &Connector, server: &str, record: &mut Record) -> Result<()> {
    let target = Target::parse(server)?;
    record.target = without_password(target.url());
    let mut seen = Seen::default();
    let looked = look(args, connector, &target, &mut seen, record);
    if seen.greeting.is_some() {
        let item = item(&record.target, &seen);
        let shown = match args.json {
            true => json_line(&item).map_err(|error| failed(error.into()))?,
            false => text(&record.target, &seen),
        };
        record.items.push(item);
        io::stdout().write_all(shown.as_bytes()).map_err(failed)?;
    }
    looked?;
    seen.distrust.map_or(Ok(()), Err)
}

fn failed(error: io::Error) -> Error {
    Error::io("writing to stdout", error)
}

/// Looks with full distrust first; where only the certificate is in the way, looks once more past
/// it. Nothing secret is said in either conversation.
fn look(
    args: &Args,
    connector: &Connector,
    target: &Target,
    seen: &mut Seen,
    record: &mut Record,
) -> Result<()> {
    match connector.once_more(|| converse(args, connector, target, seen, record)) {
        Err(
            error @ Error::Insecure {
                certificate: true, ..
            },
        ) => {
            seen.distrust = Some(error);
            let trusting = args.common.trusting(connector)?;
            converse(args, &trusting, target, seen, record)
        }
        result => result,
    }
}

fn converse(
    args: &Args,
    connector: &Connector,
    target: &Target,
    seen: &mut Seen,
    record: &mut Record,
) -> Result<()> {
    record.stage = Stage::Greeting;
    let mut client = Client::connect(connector, target, &args.smtp.preferences())?;
    note(seen, record, &client);
    seen.greeting = Some(client.greeting().clone());
    record.stage = Stage::Command;
    client.hello(true)?;
    if target.endpoint.security == Security::Tls {
        seen.encrypted = Some(client.extensions().clone());
        client.quit();
        return Ok(());
    }
    seen.clear = Some(client.extensions().clone());
    let is_demanded = args.smtp.upgrade.starttls || target.endpoint.security == Security::StartTls;
    let is_offered = client.extensions().offers(Extension::StartTls);
    if !args.common.tls.plain && (is_offered || is_demanded) {
        record.stage = Stage::Tls;
        seen.upgrades = true;
        client = client.start_tls()?;
        note(seen, record, &client);
        client.hello(false)?;
        seen.encrypted = Some(client.extensions().clone());
    }
    client.quit();
    Ok(())
}

fn note(seen: &mut Seen, record: &mut Record, client: &Client) {
    seen.facts = client.connection().facts().clone();
    record.connected(&seen.facts, false);
}

fn item(server: &str, seen: &Seen) -> Value {
    let last = seen.encrypted.as_ref().or(seen.clear.as_ref());
    let verdict = match (&seen.facts.tls, &seen.distrust) {
        (_, Some(error)) => json!(error.to_string()),
        (Some(_), None) => json!("trusted"),
        (None, None) => Value::Null,
    };
    let list = |extensions: &Option<Extensions>| {
        let lines = extensions.as_ref()?.iter();
        let line =
            |(keyword, rest): (&str, &str)| format!("{keyword} {rest}").trim_end().to_owned();
        Some(lines.map(line).collect::<Vec<String>>())
    };
    json!({
        "server": server,
        "address": seen.facts.address,
        "greeting": seen.greeting.as_ref().map(ToString::to_string),
        "extensions": list(&seen.clear),
        "extensions_under_tls": list(&seen.encrypted),
        "tls": tls(&seen.facts),
        "verdict": verdict,
        "mechanisms": last.map(Extensions::mechanisms),
        "size_limit": last.and_then(Extensions::size_limit),
    })
}

/// The day of a point in time.
fn day(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.date().to_string())
}

/// The same for people.
fn text(server: &str, seen: &Seen) -> String {
    let mut text = format!("{server}\n");
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("  {name:12}  {value}\n"));
    };
    if let Some(address) = &seen.facts.address {
        line("address", escaped(address.as_bytes()));
    }
    if let Some(greeting) = &seen.greeting {
        line("greeting", greeting.to_string());
    }
    for (name, extensions) in [
        ("in the clear", &seen.clear),
        ("under TLS", &seen.encrypted),
    ] {
        let Some(extensions) = extensions else {
            continue;
        };
        let mut name = name;
        for (keyword, rest) in extensions.iter() {
            let shown = format!("{keyword} {rest}");
            line(name, escaped(shown.trim_end().as_bytes()));
            name = "";
        }
        if !name.is_empty() {
            line(name, "no extensions".to_owned());
        }
    }
    line(
        "TLS",
        match (&seen.facts.tls, seen.upgrades) {
            (Some(_), true) => "by STARTTLS",
            (Some(_), false) => "from the first byte",
            (None, true) => "failed",
            (None, false) => "none",
        }
        .to_owned(),
    );
    if let Some(certificate) = seen.facts.tls.as_ref().and_then(|tls| tls.certificate()) {
        line("certificate", escaped(certificate.subject.as_bytes()));
        line("  names", escaped(certificate.names.join(" ").as_bytes()));
        line("  issuer", escaped(certificate.issuer.as_bytes()));
        line(
            "  valid",
            format!(
                "{} to {}",
                day(certificate.not_before),
                day(certificate.not_after)
            ),
        );
        line("  key", format!("sha256:{}", certificate.key_sha256));
    }
    match (&seen.facts.tls, &seen.distrust) {
        (_, Some(Error::Insecure { why, .. })) => line("verdict", format!("NOT trusted: {why}")),
        (Some(_), _) => line("verdict", "trusted".to_owned()),
        _ => {}
    }
    if let Some(last) = seen.encrypted.as_ref().or(seen.clear.as_ref()) {
        line(
            "mechanisms",
            escaped(last.mechanisms().join(" ").as_bytes()),
        );
        let limit = match last.size_limit() {
            Some(limit) => format!("{limit} octets"),
            None => "none told".to_owned(),
        };
        line("size limit", limit);
    }
    text
}
