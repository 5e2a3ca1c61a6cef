//! Against real servers, on loopback. Where one is not installed its tests say so and pass, except
//! in CI, where nothing may be left out.

mod dovecot_imap;
mod dovecot_imap_fetch;
mod dovecot_pop3;
mod gophernicus;
mod inn;
mod mail_check;
mod mail_server;
mod mock_mail_peers;
mod nginx;
mod postfix;
mod postfix_amounts;
mod smtp_sink;
mod starttls;
mod telnetd;
mod vsftpd;

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{names, repository};

/// Looks for a server's program; says what is skipped if it is not there.
fn program(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    let found = folders
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        skipped(&format!(
            "{name} is not installed (Debian: apt-get install {package})"
        ));
    }
    found
}

/// Says what is skipped and why.
#[track_caller]
fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "in CI: {why}");
    // Past the capture of the test harness, which shows nothing of a test that passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A number that `id` tells: of us, or of the user that the arguments name.
fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id")
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap()
}

/// Ports that nobody has now.
fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Looks again and again until there is something to see.
#[track_caller]
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "it does not come: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The names of the sample messages.
fn samples() -> Vec<String> {
    let names = names(&repository().join("samples/messages"));
    let stems = names.iter().filter_map(|name| name.strip_suffix(".eml"));
    stems.map(str::to_owned).collect()
}

/// What is sent of a sample message, with LF as the end of each line.
fn as_sent(name: &str) -> String {
    let path = repository().join(format!("samples/messages/{name}.eml"));
    let message = lines(&std::fs::read(path).unwrap());
    let message = String::from_utf8_lossy(&message);
    // Of the samples, one has these fields.
    message
        .replace("Bcc: Carl <carl@c.example>,\n\tdora@d.example\n", "")
        .replace("bcc : fred@f.example\n", "")
}

/// With LF as the end of each line, the last one too.
fn lines(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        lines.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        lines.push(b'\n');
    }
    lines
}
