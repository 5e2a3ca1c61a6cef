//! Every example of RFC 3977 is a conversation in `samples/sessions/rfc3977`.
//!
//! Those whose commands the client has are had with it: it must say each line just so, and what it
//! makes of the answers must be what stands in them. The others are said line by line.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use proto_mock::Outcome;
use proto_nntp::{
    Article, Articles, Client, Fate, Fetch, Fetched, Field, Group, List, MessageId, Moment, Part,
    Posted, Range, Session, Target, Wildmat,
};
use proto_transport::session::{Session as Form, Side, Step};
use proto_transport::{Connector, Error, Result};

use crate::harness::{names, repository, Script};

/// What the client says in one go, and what it hears.
#[derive(Debug, Default)]
struct Turn {
    said: Vec<String>,
    heard: Vec<String>,
}

impl Turn {
    fn command(&self) -> &str {
        self.said.first().map(String::as_str).unwrap_or_default()
    }

    fn code(&self) -> &str {
        self.heard[0].get(..3).unwrap()
    }

    /// The lines between the first and the dot.
    fn block(&self) -> &[String] {
        match self.heard.split_last() {
            Some((dot, lines)) if dot == "." => lines.get(1..).unwrap(),
            _ => &[],
        }
    }
}

/// A conversation without the greeting.
fn turns(steps: &[(usize, Step)]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for (_, step) in steps {
        match step {
            Step::Line(Side::Client, line) => {
                let goes_on = |last: &Turn| last.heard.is_empty() || is_article(last);
                if !turns.last().is_some_and(goes_on) {
                    turns.push(Turn::default());
                }
                turns.last_mut().unwrap().said.push(line.clone());
            }
            Step::Line(Side::Server, line) => turns.last_mut().unwrap().heard.push(line.clone()),
            Step::Closed => {}
            other => panic!("{other:?}"),
        }
    }
    turns
}

/// Whether an article comes next that belongs to the command.
fn is_article(turn: &Turn) -> bool {
    turn.heard.len() == 1 && ["340", "335"].contains(&turn.code())
}

/// What a command asks the client for.
enum Call {
    Quit,
    Group(Group),
    ListGroup(Group, Option<Range>),
    Fetch(Vec<Fetch>),
    Over(Articles),
    Header(Field, Articles),
    List(List),
    NewGroups(Moment),
    NewNews(Wildmat, Moment),
    Date,
    Post,
    IHave(MessageId),
}

/// What the client can be asked for; `None` for what it has no words for.
fn call(turn: &Turn) -> Option<Call> {
    let fetches = turn.said.iter().map(|line| fetch(line));
    if let Some(fetches) = fetches.collect() {
        return Some(Call::Fetch(fetches));
    }
    let words: Vec<&str> = turn.command().split(' ').collect();
    Some(match words.as_slice() {
        ["QUIT"] => Call::Quit,
        ["GROUP", group] => Call::Group(Group::new(group).ok()?),
        ["LISTGROUP", group] => Call::ListGroup(Group::new(group).ok()?, None),
        ["LISTGROUP", group, range] => {
            Call::ListGroup(Group::new(group).ok()?, Some(Range::parse(range).ok()?))
        }
        ["OVER", articles] => Call::Over(self::articles(articles)?),
        ["HDR", field, articles] => {
            Call::Header(Field::new(field).ok()?, self::articles(articles)?)
        }
        ["LIST", keyword] => Call::List(list(keyword, None)?),
        ["LIST", keyword, wildmat] => Call::List(list(keyword, Some(wildmat))?),
        ["NEWGROUPS", day, time, "GMT"] => Call::NewGroups(moment(day, time)?),
        ["NEWNEWS", wildmat, day, time, "GMT"] => {
            Call::NewNews(Wildmat::new(wildmat).ok()?, moment(day, time)?)
        }
        ["DATE"] => Call::Date,
        ["POST"] => Call::Post,
        ["IHAVE", id] => Call::IHave(MessageId::new(id).ok()?),
        _ => return None,
    })
}

fn fetch(line: &str) -> Option<Fetch> {
    let (verb, article) = line.split_once(' ')?;
    let part = match verb {
        "ARTICLE" => Part::Article,
        "HEAD" => Part::Head,
        "BODY" => Part::Body,
        "STAT" => Part::Stat,
        _ => return None,
    };
    let article = match article.parse() {
        Ok(number) => Article::Number(number),
        Err(_) if article.starts_with('<') => Article::Id(MessageId::new(article).ok()?),
        Err(_) => return None,
    };
    Some(Fetch::new(part, article))
}

fn articles(text: &str) -> Option<Articles> {
    match text.starts_with('<') {
        true => MessageId::new(text).ok().map(Articles::Id),
        false => Range::parse(text).ok().map(Articles::Range),
    }
}

fn moment(day: &str, time: &str) -> Option<Moment> {
    Moment::parse(&format!("{day}{time}"))
}

fn list(keyword: &str, wildmat: Option<&str>) -> Option<List> {
    let wildmat = match wildmat {
        Some(text) => Some(Wildmat::new(text).ok()?),
        None => None,
    };
    Some(match (keyword, &wildmat) {
        ("ACTIVE", _) => List::Active(wildmat),
        ("ACTIVE.TIMES", _) => List::ActiveTimes(wildmat),
        ("NEWSGROUPS", _) => List::Newsgroups(wildmat),
        ("DISTRIB.PATS", None) => List::DistribPats,
        ("HEADERS", None) => List::Headers,
        ("OVERVIEW.FMT", None) => List::OverviewFmt,
        _ => return None,
    })
}

/// Has a conversation with the client. `false` if it has no words for all of it.
fn converse(turns: &[Turn], greeting: &str, port: u16) -> bool {
    let (reader, rest) = match turns {
        [capabilities, reader, again, rest @ ..]
            if reader.command() == "MODE READER" && again.command() == "CAPABILITIES" =>
        {
            assert_eq!(capabilities.command(), "CAPABILITIES");
            (Some(again), rest)
        }
        [capabilities, rest @ ..] => (Some(capabilities), rest),
        [] => (None, &[][..]),
    };
    let calls: Option<Vec<Call>> = rest.iter().map(call).collect();
    let Some(calls) = calls else {
        return false;
    };
    let target = Target::parse(&format!("nntp://localhost:{port}")).unwrap();
    let client = Client::connect(&Connector::default(), &target);
    let Some(told) = reader else {
        assert!(client.err().unwrap().to_string().contains(greeting));
        return true;
    };
    let mut client = client.unwrap();
    client.ask_capabilities().unwrap();
    client.mode_reader().unwrap();
    for line in told.block() {
        let mut words = line.split(' ');
        let label = words.next().unwrap();
        assert!(client.capabilities().offers(label), "{line}");
        for argument in words {
            assert!(client.capabilities().offers_with(label, argument), "{line}");
        }
    }
    assert_eq!(client.may_post(), told.block().contains(&"POST".to_owned()));
    let mut session = client.into_session();
    for (turn, call) in rest.iter().zip(calls) {
        match call {
            Call::Quit => {
                session.quit();
                return true;
            }
            Call::Fetch(wishes) => check_fetch(&mut session, turn, wishes),
            Call::Post => {
                let posted = session.post(&mut article(turn).as_bytes());
                check_posted(&posted, turn);
            }
            Call::IHave(id) => {
                let posted = session.ihave(&id, &mut article(turn).as_bytes());
                check_posted(&posted, turn);
            }
            call => check(act(&mut session, call), turn),
        }
    }
    true
}

/// Asks, and tells what was heard as the server would write it.
fn act(session: &mut Session, call: Call) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match call {
        Call::Group(group) => {
            let found = session.group(&group)?;
            lines.push(format!("{} {} {}", found.count, found.low, found.high));
        }
        Call::ListGroup(group, range) => {
            session.list_group(&group, range, &mut |number| {
                lines.push(number.to_string());
                Ok(())
            })?;
        }
        Call::Over(articles) => {
            let format = Default::default();
            session.overview(&articles, &format, &mut |found| {
                let field = |name| text(found.get(name).unwrap_or_default());
                let size = |name| found.number_of(name).unwrap().to_string();
                let fields = ["Subject", "From", "Date", "Message-ID", "References"].map(field);
                let fields = fields.join("\t");
                let (bytes, rows) = (size(":bytes"), size(":lines"));
                lines.push(format!("{}\t{fields}\t{bytes}\t{rows}", found.number));
                Ok(())
            })?;
        }
        Call::Header(field, articles) => {
            session.headers(&field, &articles, &mut |number, value| {
                lines.push(format!("{number} {}", text(value)).trim_end().to_owned());
                Ok(())
            })?;
        }
        Call::List(list) => session.list(&list, &mut |line| {
            lines.push(text(line));
            Ok(())
        })?,
        Call::NewGroups(since) => {
            session.new_groups(since, &mut |found| {
                let name = text(found.group);
                lines.push(format!("{name} {} {} y", found.high, found.low));
                Ok(())
            })?;
        }
        Call::NewNews(wildmat, since) => {
            session.new_news(&wildmat, since, &mut |id| {
                lines.push(id.to_string());
                Ok(())
            })?;
        }
        Call::Date => lines.push(session.date()?.to_string()),
        Call::Quit | Call::Fetch(_) | Call::Post | Call::IHave(_) => unreachable!(),
    }
    Ok(lines)
}

#[track_caller]
fn check(found: Result<Vec<String>>, turn: &Turn) {
    let found = match (found, turn.code()) {
        // A range without articles is no error.
        (Ok(found), "423") if found.is_empty() => return,
        (Err(error), code) => return refused(&error, code),
        (Ok(found), _) => found,
    };
    assert!(turn.code().starts_with(['1', '2']), "{turn:?} {found:?}");
    let words: Vec<&str> = turn.heard[0].split(' ').collect();
    match turn.command().split(' ').next().unwrap() {
        "GROUP" => assert_eq!(found, [words[1..4].join(" ")]),
        "DATE" => {
            let digits: String = found[0].chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, words[1]);
        }
        // Of the overview, the fields that every server has.
        "OVER" => {
            let standard = |line: &String| line.split('\t').take(8).collect::<Vec<_>>().join("\t");
            let wanted: Vec<String> = turn.block().iter().map(standard).collect();
            assert_eq!(found, wanted);
        }
        _ => assert_eq!(found, turn.block()),
    }
}

#[track_caller]
fn refused(error: &Error, code: &str) {
    assert!(code.starts_with(['4', '5']), "{code}: {error}");
    assert!(error.to_string().contains(code), "{code}: {error}");
}

fn check_fetch(session: &mut Session, turn: &Turn, wishes: Vec<Fetch>) {
    // Replies of one line, or one reply and its block.
    let mut replies = turn.heard.iter();
    let result = session.fetch(wishes, &mut |_, fetched| {
        let reply = replies.next().unwrap();
        let words: Vec<&str> = reply.split(' ').collect();
        match fetched {
            Err(error) => refused(&error, words[0]),
            Ok(Fetched { number, id, body }) => {
                assert_eq!(number.to_string(), words[1]);
                assert_eq!(id.unwrap().as_str(), words[2]);
                let mut content = Vec::new();
                if let Some(body) = body {
                    while let Some(part) = body.next_part()? {
                        content.extend_from_slice(part);
                    }
                }
                let lines = turn.block().iter().map(|line| format!("{line}\r\n"));
                assert_eq!(
                    String::from_utf8(content).unwrap(),
                    lines.collect::<String>()
                );
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        refused(&error, turn.code());
    }
}

/// What the client sends behind a command.
fn article(turn: &Turn) -> String {
    let lines = turn.said.iter().skip(1).filter(|line| *line != ".");
    lines.map(|line| format!("{line}\r\n")).collect()
}

#[track_caller]
fn check_posted(posted: &Posted, turn: &Turn) {
    let last = turn.heard.last().unwrap().get(..3).unwrap();
    assert_eq!(posted.reply.as_ref().unwrap().code.to_string(), last);
    let wanted = match last {
        "240" | "235" => Fate::Accepted,
        "435" => Fate::Unwanted,
        "436" | "400" => Fate::RefusedForNow,
        _ => Fate::RefusedForGood,
    };
    assert_eq!(posted.fate, wanted, "{turn:?}");
}

/// Has a conversation as it is written.
fn recite(turns: &[Turn], port: u16) {
    let mut stream = TcpStream::connect(("localhost", port)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut hear = || lines.next().unwrap().unwrap();
    hear();
    for turn in turns {
        for line in &turn.said {
            stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        }
        for line in &turn.heard {
            assert_eq!(hear(), *line);
        }
    }
}

#[test]
fn every_example_goes_as_written() {
    let folder = repository().join("samples/sessions/rfc3977");
    let files = names(&folder);
    assert!(files.len() >= 29, "{files:?}");
    let (mut by_the_client, mut all) = (0, 0);
    for name in files {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        let form = Form::parse(&text).unwrap();
        let script = Script::play(&text);
        for steps in form.connections() {
            let Some((_, Step::Line(Side::Server, greeting))) = steps.first() else {
                panic!("{name} does not begin with a greeting");
            };
            let turns = turns(steps.get(1..).unwrap());
            let port = script.server.port();
            all += 1;
            match converse(&turns, greeting, port) {
                true => by_the_client += 1,
                false => recite(&turns, port),
            }
        }
        let outcome = script.replay.outcome();
        assert_eq!(outcome, Outcome::AsWritten, "{name}: {outcome}");
    }
    // The others have NEXT, LAST, HELP, commands without their argument, and nonsense.
    assert!(
        by_the_client >= 65 && all >= 105,
        "{by_the_client} of {all}"
    );
}
