//! The first program on the crates: fetch a page and print it, in the open.
//!
//! `cargo run --example fetch_page -- http://localhost:8080/`

use std::io::Write;

use proto_http::{Client, Method, Request, Target};
use proto_transport::{parse_url, Connector, Error, Result};

fn main() -> Result<()> {
    let url = std::env::args().nth(1);
    let url = url.ok_or_else(|| Error::illegal("usage: fetch_page URL"))?;
    let mut client = Client::new(Connector::default());

    let target = Target::from_url(&parse_url(&url, "http")?)?;
    let request = Request::new(Method::get(), target);
    eprint!("{request}");

    let mut response = client.send(request, &mut Vec::new())?;
    let head = response.head();
    eprintln!(
        "{} {}\n",
        head.status,
        String::from_utf8_lossy(&head.reason)
    );

    // Parts of the connection's own buffer; the whole is never in memory.
    let mut body = response.body();
    while let Some(part) = body.next_part()? {
        std::io::stdout()
            .write_all(part)
            .map_err(|error| Error::io("writing to stdout", error))?;
    }
    drop(body);
    response.finish();
    Ok(())
}
