//! Many downloads at once from one thread, by hand, with the pure parsers of `proto-http`.
//!
//! `cargo run --example multiplexed_download -- FOLDER http://localhost:8080/a http://localhost:8080/b`
//!
//! Each download is a small machine that is shown what has come and says how far it is; a parser that
//! never reads can be used so, and in a test, and over a blocking connection. `http-get -j N` does
//! this with a thread for each connection: simpler to write, and it knows TLS, proxies, redirects,
//! codings and retries. This shows how little a hundred downloads need.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::ToSocketAddrs;
use std::path::Path;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use proto_transport::Url;
use tempfile::NamedTempFile;

#[path = "multiplexed_download/receiver.rs"]
mod receiver;

/// The longest silence.
const SILENCE: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: multiplexed_download FOLDER URL...";
    let (folder, urls) = words.split_first().ok_or(Error::other(usage))?;
    for (url, result) in urls.iter().zip(download(Path::new(folder), urls)?) {
        println!("{url}: {result:?}");
    }
    Ok(())
}

/// A download between two looks at it.
struct Download {
    stream: TcpStream,
    request: Vec<u8>,
    receiver: receiver::Receiver,
    file: NamedTempFile,
    last: Instant,
}

/// Downloads each to a file named by its number; how that went.
pub fn download(folder: &Path, urls: &[String]) -> Result<Vec<Result<()>>> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    let (mut results, mut downloads) = (Vec::new(), HashMap::new());
    for (number, url) in urls.iter().enumerate() {
        let begun = begin(url, folder).and_then(|mut download| {
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut download.stream, Token(number), both)?;
            downloads.insert(number, download);
            Ok(())
        });
        results.push(begun);
    }
    while !downloads.is_empty() {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for Token(number) in events.iter().map(|event| event.token()) {
            let Some(mut download) = downloads.remove(&number) else {
                continue;
            };
            match download.go_on() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    downloads.insert(number, download);
                }
                // A file gets its name when it is whole, and is gone if it never is.
                ended => {
                    let path = folder.join(number.to_string());
                    let keep = |()| download.file.persist_noclobber(path).map_err(Error::from);
                    results[number] = ended.and_then(keep).map(drop);
                }
            }
        }
        for (number, _) in downloads.extract_if(|_, download| download.last.elapsed() > SILENCE) {
            results[number] = Err(ErrorKind::TimedOut.into());
        }
    }
    Ok(results)
}

fn begin(url: &str, folder: &Path) -> Result<Download> {
    let url = Url::parse(url).map_err(Error::other)?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port().unwrap_or(80));
    let address = (host, port)
        .to_socket_addrs()?
        .find(|address| address.is_ipv4());
    let fields = format!("Host: {host}:{port}\r\nConnection: close\r\n\r\n");
    Ok(Download {
        // This does not wait: whether the connection is there shows when it can be written to.
        stream: TcpStream::connect(address.ok_or(ErrorKind::NotFound)?)?,
        request: format!("GET {} HTTP/1.1\r\n{fields}", url.path()).into_bytes(),
        receiver: Default::default(),
        file: NamedTempFile::new_in(folder)?,
        last: Instant::now(),
    })
}

impl Download {
    /// Goes on until it is over, or would have to wait.
    fn go_on(&mut self) -> Result<()> {
        let mut block = [0; 16 * 1024];
        loop {
            self.last = Instant::now();
            if !self.request.is_empty() {
                let count = self.stream.write(&self.request)?;
                self.request.drain(..count);
                continue;
            }
            let count = self.stream.read(&mut block)?;
            if self.receiver.take(&block[..count], &mut self.file)? {
                return Ok(());
            }
        }
    }
}
