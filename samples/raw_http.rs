//! A page by hand over a bare connection, then the same with the library.
//!
//! `cargo run --example raw_http -- http://localhost:8080/ page.html`
//!
//! By hand it looks easy: a few lines go out, a head comes back, an empty line, a body. What is missing
//! here is the rest of HTTP: redirects, chunks, codings, connections that stay open. The old version
//! 1.0 is asked for, because there a body may simply last until the connection ends; but a length, if
//! there is one, is checked, or a page that was cut off would pass for whole.

use std::io::Write;

use proto_http::{
    body_length, parse_field_line, parse_status_line, BodyLength, Client, Head, Method, Request,
    Target,
};
use proto_transport::escape::escaped;
use proto_transport::{parse_url, Connector, Error, Framing, Length, Result, UntilClose, Url};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, path] = words.as_slice() else {
        return Err(Error::illegal("usage: raw_http URL FILE"));
    };
    let url = parse_url(url, "http")?;
    let body = by_hand(&url)?;
    std::fs::write(path, &body).map_err(|error| Error::io(format!("writing {path}"), error))?;
    let same = with_the_library(&url)? == body;
    println!("{} bytes; the library says the same: {same}", body.len());
    Ok(())
}

/// GET in the words of RFC 1945. The head is printed.
pub fn by_hand(url: &Url) -> Result<Vec<u8>> {
    let target = Target::from_url(url)?;
    let mut connection = Connector::default().connect(&target.endpoint)?;
    connection.write_line(format!("GET {} HTTP/1.0", url.path()))?;
    connection.write_line(format!("Host: {}", target.endpoint))?;
    connection.write_line("")?;

    let mut head = Head::default();
    let line = connection.read_line()?.to_vec();
    println!("{}", escaped(&line));
    let wrong = |rule: &str, line: &[u8]| Error::illegal(format!("{rule}: {}", escaped(line)));
    let status = parse_status_line(&line).map_err(|broken| wrong(broken.0, &line))?;
    head.status = status.status;
    loop {
        let line = connection.read_line()?.to_vec();
        if line.is_empty() {
            break;
        }
        println!("{}", escaped(&line));
        let (name, value) = parse_field_line(&line).map_err(|broken| wrong(broken.0, &line))?;
        head.fields.push(name, value);
    }
    match body_length(false, &head).map_err(|broken| wrong(broken.0, b""))? {
        BodyLength::Length(length) => read(&mut connection, Length::new(length)),
        BodyLength::UntilClose => read(&mut connection, UntilClose),
        BodyLength::Empty => Ok(Vec::new()),
        BodyLength::Chunked => Err(Error::illegal("HTTP/1.0 knows no chunks")),
    }
}

fn read<F: Framing>(connection: &mut proto_transport::Connection, framing: F) -> Result<Vec<u8>> {
    let mut body = connection.body(framing);
    let mut whole = Vec::new();
    while let Some(part) = body.next_part()? {
        whole
            .write_all(part)
            .map_err(|error| Error::io("keeping the page", error))?;
    }
    Ok(whole)
}

/// The same in three lines.
pub fn with_the_library(url: &Url) -> Result<Vec<u8>> {
    let mut client = Client::new(Connector::default());
    let request = Request::new(Method::get(), Target::from_url(url)?);
    let mut response = client.send(request, &mut Vec::new())?;

    let (mut body, mut whole) = (response.body(), Vec::new());
    while let Some(part) = body.next_part()? {
        whole.extend_from_slice(part);
    }
    Ok(whole)
}
