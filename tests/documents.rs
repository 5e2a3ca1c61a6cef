//! The documents are true: their commands run, their output is what the program prints, and what
//! they name exists.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::harness::{proto, repository, Run};

fn read(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

/// The contents of the fenced blocks of one kind.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{kind}") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// What changes from run to run, taken out: fields of a header that hold times and names, and in
/// other lines the words that do.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for line in text.lines() {
        let sides = ["", "C: ", "S: ", "C| ", "S| "].into_iter();
        let field = sides.rev().find_map(|side| {
            let (name, value) = line.strip_prefix(side)?.split_once(": ")?;
            (CHANGING.contains(&name) && !value.is_empty()).then_some((side, name))
        });
        match field {
            Some((side, name)) => shape.push_str(&format!("{side}{name}:")),
            None => add_masked(&mut shape, line),
        }
        shape.push('\n');
    }
    shape
}

/// Fields whose values change.
const CHANGING: [&str; 5] = ["Date", "ETag", "Last-Modified", "User-Agent", "Message-ID"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Adds a line with `#` instead of its times, ports, sizes, long numbers and random names.
fn add_masked(shape: &mut String, line: &str) {
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let has_date = words(line).any(|word| MONTHS.contains(&word));
    let is_code = |at: usize| at == 3 && line.starts_with("S: ");
    let mut at = 0;
    for word in words(line) {
        let is_of_date = has_date
            && (is_number(word) || [&MONTHS[..], &DAYS].concat().contains(&word))
            || is_number(word) && shape.ends_with("#-");
        let is_long = is_number(word) && word.len() > 2 && !is_code(at);
        let is_random = word.len() > 15 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        // What IMAP commands are called.
        let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_tag = name.len() == 10 && name.len() < word.len();
        match is_of_date || is_long || is_random || is_tag {
            true => shape.push('#'),
            false => shape.push_str(word),
        }
        at += word.len();
    }
}

/// The pieces of a line: words of letters and digits, and each character between them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_part = |c: char| c.is_ascii_alphanumeric();
        let length = match rest.find(|c| !is_part(c)) {
            Some(0) => first.len_utf8(),
            Some(end) => end,
            None => rest.len(),
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(word)
    })
}

#[test]
fn the_first_command_of_the_readme_runs_and_prints_what_it_shows() {
    let readme = read("README.md");
    let line = &blocks(&readme, "sh")[0];
    assert!(line.ends_with("; cargo run --release -- demo"), "{line}");
    // The same line, with the program that is built already.
    let line = line.replace("cargo run --release --", env!("CARGO_BIN_EXE_proto"));
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let run = Run::from(output).exits(0);
    // What is said on stderr and what is told on stdout may meet in more than one order.
    let shown = &blocks(&readme, "console")[0];
    let is_said = |line: &&str| {
        let mut starts = ["C:", "S:", "C|", "S|", "= ", "proto:"].into_iter();
        starts.any(|start| line.starts_with(start))
    };
    let (said, told): (Vec<&str>, Vec<&str>) = shown.lines().partition(is_said);
    assert_eq!(shape(&run.stderr), shape(&said.join("\n")));
    assert_eq!(shape(run.text().trim_end()), shape(&told.join("\n")));
}

#[test]
fn ci_runs_the_second_command_of_the_readme() {
    let readme = read("README.md");
    let line = &blocks(&readme, "sh")[1];
    let (setup, test) = line.rsplit_once("; ").unwrap();
    assert_eq!(test, "cargo test --workspace");
    assert!(Command::new("sh")
        .args(["-c", setup])
        .status()
        .unwrap()
        .success());
    let ci = read(".ci/run");
    for needed in [
        test,
        "cargo fmt --all --check",
        "cargo clippy --workspace --all-targets -- -D warnings",
    ] {
        assert!(ci.lines().any(|line| line == needed), "{needed}");
    }
    assert!(setup.starts_with("dpkg -s gcc libc6-dev libssl-dev pkg-config >"));
    assert!(setup.contains("apt-get install -y gcc libc6-dev libssl-dev pkg-config"));
    let packages = "gcc libc6-dev libssl-dev pkg-config nginx postfix dovecot-core dovecot-lmtpd \
                    dovecot-pop3d dovecot-imapd vsftpd curl swaks mpop isync python3 inn2 \
                    sasl2-bin libsasl2-modules gophernicus inetutils-telnetd";
    assert!(ci.contains(packages));
}

#[test]
fn every_option_and_command_that_the_readme_names_exists() {
    let readme = read("README.md");
    let mut help = proto(&["--help"]).exits(0).text();
    for command in commands() {
        help += &proto(&[command.replace('_', "-").as_str(), "--help"])
            .exits(0)
            .text();
    }
    for server in commands_of("src/commands/mock").chain(["http".into(), "replay".into()]) {
        help += &proto(&["mock", &server, "--help"]).exits(0).text();
    }
    let words = readme.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let options: BTreeSet<&str> = words
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .collect();
    // Cargo's own.
    let foreign = ["--release", "--workspace"];
    for option in options.iter().filter(|option| !foreign.contains(option)) {
        assert!(help.contains(*option), "{option}");
    }
    for line in blocks(&readme, "sh")[2].lines() {
        let command = line.split(' ').nth(1).unwrap();
        assert!(proto(&[command, "--help"]).code == 0, "{line}");
    }
}

#[test]
fn links_lead_somewhere() {
    for document in ["README.md", "samples/README.md"] {
        let folder = repository().join(document).parent().unwrap().to_owned();
        for link in read(document).split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if !target.starts_with("http") {
                assert!(folder.join(target).exists(), "{document}: {target}");
            }
        }
    }
}

#[test]
fn no_placeholder_is_left() {
    for document in ["README.md", "CHANGELOG.md", "samples/README.md"] {
        let text = read(document);
        let between: Vec<&str> = text.split('@').skip(1).collect();
        // What stands between two at signs; the last piece has none after it.
        for word in between.iter().rev().skip(1) {
            let is_name = word.bytes().all(|byte| byte.is_ascii_uppercase());
            assert!(word.is_empty() || !is_name, "{document}: @{word}@");
        }
    }
}

#[test]
fn paths_that_the_samples_name_exist() {
    let told = read("samples/README.md");
    let quoted = told.split('`').skip(1).step_by(2);
    let words = quoted.flat_map(str::split_whitespace);
    // Every word with a slash but a URL is a path, from the repository or from its own folder.
    let paths: Vec<&str> = words
        .filter(|word| word.contains('/') && !word.contains("://"))
        .collect();
    assert!(paths.len() >= 4, "{paths:?}");
    for path in paths {
        let found = [repository(), repository().join("samples")]
            .iter()
            .any(|folder| folder.join(path).exists());
        assert!(found, "{path}");
    }
}

#[test]
fn every_sample_is_told_of() {
    let told = read("samples/README.md");
    for entry in fs::read_dir(repository().join("samples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || told.contains(&name), "{name}");
    }
}

/// The names of the commands: a file each.
fn commands() -> impl Iterator<Item = String> {
    commands_of("src/commands").filter(|name| name != "mod")
}

fn commands_of(folder: &str) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(repository().join(folder)).unwrap();
    entries.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".rs").map(str::to_owned)
    })
}

#[test]
fn commands_have_their_names_in_all_places() {
    let all: Vec<String> = commands().collect();
    assert!(all.len() > 15, "{all:?}");
    for command in all {
        let test = repository().join(format!("tests/{command}.rs"));
        assert!(test.exists(), "{}", test.display());
    }
}

#[test]
fn the_license_is_there_in_both_forms() {
    assert!(read("LICENSE-MIT").contains("MIT License"));
    assert!(read("LICENSE-APACHE").contains("Apache License"));
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
}
