use super::*;
use crate::argument::Article;
use crate::target::Target;
use proto_transport::{Memory, Said};

/// A bar ends what comes in one piece. A server that tells of itself, or an old one.
fn session(heard: &str, capabilities: Option<&str>) -> (Session, Said) {
    let told = match capabilities {
        Some(lines) => format!("101 list\r\nVERSION 2\r\n{lines}.\r\n"),
        None => "500 what?\r\n".to_owned(),
    };
    let pieces = ["200 hi\r\n", &told].into_iter();
    let memory = Memory::in_pieces(pieces.chain(heard.split('|')));
    let said = memory.said();
    let target = Target::parse("nntp://localhost").unwrap();
    let mut client = Client::over(Connection::over(memory), &target).unwrap();
    client.ask_capabilities().unwrap();
    (client.into_session(), said)
}

const MODERN: Option<&str> = Some("READER\r\nOVER MSGID\r\nHDR\r\nCOMPRESS DEFLATE\r\n");

fn said_after(said: &Said) -> String {
    said.text().replacen("CAPABILITIES\r\n", "", 1)
}

fn group(name: &str) -> Group {
    Group::new(name).unwrap()
}

fn range(text: &str) -> Range {
    Range::parse(text).unwrap()
}

fn articles(text: &str) -> Articles {
    Articles::Range(range(text))
}

fn id(text: &str) -> MessageId {
    MessageId::new(text).unwrap()
}

fn wishes(part: Part, numbers: &[u64]) -> Vec<Fetch> {
    let numbers = numbers.iter();
    numbers
        .map(|number| Fetch::new(part, Article::Number(*number)))
        .collect()
}

fn fetched(session: &mut Session, wishes: Vec<Fetch>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    session.fetch(wishes, &mut |wish, fetched| {
        let mut text = format!("{wish}: ");
        match fetched {
            Ok(Fetched { number, body, .. }) => {
                text.push_str(&format!("{number} "));
                if let Some(body) = body {
                    while let Some(part) = body.next_part()? {
                        text.push_str(&String::from_utf8_lossy(part));
                    }
                }
            }
            Err(error) => text.push_str(&format!("{:?}", No::of(&error))),
        }
        all.push(text);
        Ok(())
    })?;
    Ok(all)
}

#[test]
fn groups_are_opened_and_listed() {
    // RFC 3977 sections 6.1.1.3 and 6.1.2.3.
    let heard = "211 1234 3000234 3002322 misc.test\r\n|411 is unknown\r\n|\
        211 2000 3000234 3002322 misc.test list follows\r\n3000238\r\n3000239\r\n.\r\n|\
        211 2000 3000234 3002322 misc.test list follows\r\n.\r\n";
    let (mut session, said) = session(heard, MODERN);
    assert_eq!(session.group(&group("misc.test")).unwrap().count, 1234);
    let error = session
        .group(&group("example.is.sob.bradner.or.barber"))
        .unwrap_err();
    assert_eq!(No::of(&error), Some(No::NoGroup));
    let mut list = |text: &str| {
        let mut numbers = Vec::new();
        let summary = session.list_group(&group("misc.test"), Some(range(text)), &mut |number| {
            numbers.push(number);
            Ok(())
        });
        assert_eq!(summary.unwrap().high, 3_002_322);
        numbers
    };
    assert_eq!(list("3000238-3000248"), [3_000_238, 3_000_239]);
    assert!(list("12345678-").is_empty());
    assert!(said_after(&said).contains("LISTGROUP misc.test 3000238-3000248\r\n"));
}

#[test]
fn an_old_server_lists_all_and_we_choose() {
    let heard = "211 list follows\r\n1\r\n2\r\n3\r\n.\r\n";
    let (mut session, said) = session(heard, None);
    let mut numbers = Vec::new();
    let summary = session.list_group(&group("a"), Some(range("2-")), &mut |number| {
        numbers.push(number);
        Ok(())
    });
    assert_eq!(
        summary.unwrap(),
        Summary {
            count: 3,
            low: 1,
            high: 3
        }
    );
    assert_eq!(numbers, [2, 3]);
    assert_eq!(said_after(&said), "LISTGROUP a\r\n");
}

#[test]
fn articles_are_asked_for_ahead_and_one_that_is_missing_ends_nothing() {
    let heard = "220 1 <a@b>\r\nx\r\n..y\r\n.\r\n|423 none\r\n|430 none\r\n|220 4 <c@d>\r\n.\r\n";
    for (capabilities, ahead) in [(MODERN, 4), (None, 1)] {
        let (mut session, said) = session(heard, capabilities);
        let probe = said.clone();
        let mut asked = None;
        session
            .fetch(wishes(Part::Article, &[1, 2, 3, 4]), &mut |_, _| {
                asked.get_or_insert(said_after(&probe).matches("ARTICLE").count());
                Ok(())
            })
            .unwrap();
        assert_eq!(asked, Some(ahead));
        let (mut session, said) = self::session(heard, capabilities);
        let all = fetched(&mut session, wishes(Part::Article, &[1, 2, 3, 4])).unwrap();
        let missing = "Some(Missing)";
        assert_eq!(all[0], "ARTICLE 1: 1 x\r\n.y\r\n");
        assert_eq!(all[1], format!("ARTICLE 2: {missing}"));
        assert_eq!(all[2], format!("ARTICLE 3: {missing}"));
        assert_eq!(all[3], "ARTICLE 4: 4 ");
        assert_eq!(
            said_after(&said),
            "ARTICLE 1\r\nARTICLE 2\r\nARTICLE 3\r\nARTICLE 4\r\n"
        );
    }
}

#[test]
fn parts_have_their_codes() {
    let heard = "221 1 <a@b>\r\nh\r\n.\r\n|222 1 <a@b>\r\nb\r\n.\r\n|223 1 <a@b>\r\n|412 none\r\n";
    let (mut session, _) = session(heard, MODERN);
    let parts = [Part::Head, Part::Body, Part::Stat, Part::Stat];
    let wishes = parts
        .map(|part| Fetch::new(part, Article::Id(id("a@b"))))
        .to_vec();
    let all = fetched(&mut session, wishes).unwrap();
    assert_eq!(all[0], "HEAD <a@b>: 1 h\r\n");
    assert_eq!(all[1], "BODY <a@b>: 1 b\r\n");
    assert_eq!(all[2], "STAT <a@b>: 1 ");
    assert_eq!(all[3], "STAT <a@b>: Some(Other)");
}

#[test]
fn a_reply_that_is_no_answer_ends_the_conversation() {
    for heard in [
        "220 1 <a@b>\r\n",
        "205 bye\r\n",
        "111 20000101000000\r\n",
        "+OK\r\n",
    ] {
        let (mut session, _) = session(heard, MODERN);
        let error = fetched(&mut session, wishes(Part::Head, &[1])).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{heard}: {error}");
    }
    let (mut session, _) = session("400 going down\r\n", MODERN);
    let error = fetched(&mut session, wishes(Part::Head, &[1, 2])).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("400 going down"));
}

#[test]
fn an_article_without_its_dot_is_none() {
    let text = "220 1 <a@b>\r\nSubject: x\r\n\r\nhello\r\n.\r\n";
    for length in 0..text.len() {
        let (mut session, _) = session(&text[..length], MODERN);
        let error = fetched(&mut session, wishes(Part::Article, &[1])).unwrap_err();
        assert!(matches!(error, Error::Closed { .. }), "{length}: {error}");
    }
}

#[test]
fn a_server_that_wants_a_login_can_be_given_one_in_the_middle() {
    // RFC 3977 section 3.2.1.1.
    let heard = "480 Permission denied\r\n|381 go on\r\n|281 in\r\n|101 list\r\nREADER\r\n.\r\n|\
        211 5 20 50 secret.group\r\n";
    let (mut session, said) = session(heard, Some("AUTHINFO USER\r\n"));
    let error = session.group(&group("secret.group")).unwrap_err();
    assert_eq!(No::of(&error), Some(No::NeedsLogin));
    let fred = proto_auth::SaslCredentials::Password {
        user: "fred".to_owned(),
        password: "flintstone".into(),
    };
    let mut session = session.into_client().log_in(&fred, None, true).unwrap();
    assert_eq!(session.group(&group("secret.group")).unwrap().count, 5);
    assert!(said_after(&said).ends_with("CAPABILITIES\r\nGROUP secret.group\r\n"));
}

#[test]
fn a_server_that_wants_tls_says_so() {
    let (mut session, _) = session("483 Encryption required\r\n", MODERN);
    let error = session.group(&group("local.confidential")).unwrap_err();
    assert!(matches!(error, Error::Insecure { .. }));
    assert_eq!(No::of(&error), Some(No::NeedsTls));
}

fn subjects(session: &mut Session, which: &Articles) -> Result<Vec<(u64, String)>> {
    let mut all = Vec::new();
    session.overview(which, &OverviewFormat::default(), &mut |line| {
        let subject = line.get("Subject").unwrap_or_default();
        all.push((line.number, String::from_utf8_lossy(subject).into_owned()));
        Ok(())
    })?;
    Ok(all)
}

#[test]
fn the_overview_is_asked_for_as_the_server_knows_it() {
    let lines = "224 follows\r\n5\ta\tb\r\n7\tc\td\r\n99\tnot asked for\r\n.\r\n";
    for (capabilities, heard, says) in [
        (MODERN, lines.to_owned(), "OVER 5-9\r\n"),
        (None, lines.to_owned(), "XOVER 5-9\r\n"),
        (Some("READER\r\n"), lines.to_owned(), "XOVER 5-9\r\n"),
        (
            None,
            format!("500 what?\r\n|{lines}"),
            "XOVER 5-9\r\nOVER 5-9\r\n",
        ),
        (
            MODERN,
            format!("503 no\r\n|{lines}"),
            "OVER 5-9\r\nXOVER 5-9\r\n",
        ),
    ] {
        let (mut session, said) = session(&heard, capabilities);
        let all = subjects(&mut session, &articles("5-9")).unwrap();
        assert_eq!(all, [(5, "a".to_owned()), (7, "c".to_owned())]);
        assert_eq!(said_after(&said), says);
    }
}

#[test]
fn a_range_without_articles_is_empty_and_a_missing_article_is_told() {
    for reply in ["423 Empty range\r\n", "420 No article(s) selected\r\n"] {
        let (mut session, _) = session(reply, MODERN);
        assert!(subjects(&mut session, &articles("5-9")).unwrap().is_empty());
    }
    let (mut session, _) = session("430 none\r\n|412 no group\r\n|500 a\r\n|500 b\r\n", MODERN);
    let error = subjects(&mut session, &Articles::Id(id("a@b"))).unwrap_err();
    assert_eq!(No::of(&error), Some(No::Missing));
    let error = subjects(&mut session, &articles("1-")).unwrap_err();
    assert_eq!(No::of(&error), Some(No::Other));
    let error = subjects(&mut session, &articles("1-")).unwrap_err();
    assert!(error.to_string().contains("500 a"), "{error}");
}

#[test]
fn a_line_that_cannot_be_read_hides_no_other() {
    let heard =
        "224 follows\r\n1\ta\r\nnonsense\x1b\r\n2\tb\r\n.\r\n|211 1 1 1 a\r\n1\r\nx\r\n.\r\n";
    let (mut session, _) = session(heard, MODERN);
    let mut numbers = Vec::new();
    let format = OverviewFormat::default();
    let strays = session.overview(&articles("1-"), &format, &mut |line| {
        numbers.push(line.number);
        Ok(())
    });
    assert_eq!((strays.unwrap(), numbers.as_slice()), (1, &[1, 2][..]));
    let error = session
        .list_group(&group("a"), None, &mut |_| Ok(()))
        .unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }));
}

#[test]
fn the_format_of_the_overview_may_not_be_told() {
    let (mut session, _) = session(
        "215 order\r\nSubject:\r\nXref:full\r\n.\r\n|503 no\r\n",
        MODERN,
    );
    let format = session.overview_format().unwrap();
    assert!(format.names().eq(["Subject", "Xref"]));
    assert_eq!(
        session.overview_format().unwrap(),
        OverviewFormat::default()
    );
}

#[test]
fn header_fields_are_asked_for_as_the_server_knows_it() {
    let lines = "3000234 I am just a test article\r\n3000235\r\n.\r\n";
    for (capabilities, heard, says) in [
        (
            MODERN,
            format!("225 follows\r\n{lines}"),
            "HDR Subject 3000234-3000238\r\n",
        ),
        (
            None,
            format!("221 follows\r\n{lines}"),
            "XHDR Subject 3000234-3000238\r\n",
        ),
    ] {
        let (mut session, said) = session(&heard, capabilities);
        let mut all = Vec::new();
        let field = Field::new("Subject").unwrap();
        session
            .headers(
                &field,
                &articles("3000234-3000238"),
                &mut |number, value| {
                    all.push((number, String::from_utf8_lossy(value).into_owned()));
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!(all[0], (3_000_234, "I am just a test article".to_owned()));
        assert_eq!(all[1], (3_000_235, String::new()));
        assert_eq!(said_after(&said), says);
    }
}

#[test]
fn lists_are_handed_on_line_by_line() {
    // RFC 3977 sections 7.1.3, 7.3.3, 7.4.3 and 7.6.1.3.
    let heard =
        "215 information follows\r\ntx.natives.recovery 930678923 <sob@academ.com>\r\n.\r\n|\
        503 Data item not stored\r\n|231 follows\r\nalt.rfc-writers.recovery 4 1 y\r\n.\r\n|\
        230 follows\r\n<i.am.a.new.article@example.com>\r\n.\r\n|111 19990623135624\r\n";
    let (mut session, said) = session(heard, MODERN);
    let wildmat = Wildmat::new("tx.*").unwrap();
    let mut lines = Vec::new();
    let list = List::ActiveTimes(Some(wildmat.clone()));
    session
        .list(&list, &mut |line| {
            lines.push(line.to_vec());
            Ok(())
        })
        .unwrap();
    assert_eq!(lines, [b"tx.natives.recovery 930678923 <sob@academ.com>"]);
    let error = session.list(&List::Motd, &mut |_| Ok(())).unwrap_err();
    assert_eq!(No::of(&error), Some(No::Unsupported));
    let since = Moment::parse("19990624000000").unwrap();
    session
        .new_groups(since, &mut |active| {
            assert_eq!(
                (active.group, active.high),
                (&b"alt.rfc-writers.recovery"[..], 4)
            );
            Ok(())
        })
        .unwrap();
    session
        .new_news(&wildmat, since, &mut |found| {
            assert_eq!(found, id("i.am.a.new.article@example.com"));
            Ok(())
        })
        .unwrap();
    assert_eq!(
        session.date().unwrap(),
        Moment::parse("19990623135624").unwrap()
    );
    assert_eq!(
        said_after(&said),
        "LIST ACTIVE.TIMES tx.*\r\nLIST MOTD\r\nNEWGROUPS 19990624 000000 GMT\r\n\
         NEWNEWS tx.* 19990624 000000 GMT\r\nDATE\r\n"
    );
}

const ARTICLE: &str = "From: a@b\r\nNewsgroups: misc.test\r\nSubject: x\r\n\r\n.\r\nend\r\n";

fn posts(heard: &str) -> (Posted, Session, String) {
    let (mut session, said) = session(heard, MODERN);
    let posted = session.post(&mut ARTICLE.replace("\r\n", "\n").as_bytes());
    let said = said_after(&said);
    (posted, session, said)
}

#[test]
fn articles_are_posted() {
    let (posted, _, said) = posts("340 Input article\r\n|240 Article received OK\r\n");
    assert_eq!(posted.fate, Fate::Accepted);
    assert!(posted.error.is_none());
    assert_eq!(
        said,
        format!("POST\r\n{}.\r\n", ARTICLE.replace("\n.\r", "\n..\r"))
    );
}

#[test]
fn every_answer_to_an_article_has_its_fate() {
    for (heard, fate, no, is_sent) in [
        (
            "340 go\r\n|441 Posting failed\r\n",
            Fate::RefusedForGood,
            Some(No::Other),
            true,
        ),
        (
            "340 go\r\n|436 later\r\n",
            Fate::RefusedForNow,
            Some(No::Other),
            true,
        ),
        (
            "340 go\r\n|400 going down\r\n",
            Fate::RefusedForNow,
            Some(No::Other),
            true,
        ),
        ("340 go\r\n|340 go\r\n", Fate::Unknown, None, true),
        ("340 go\r\n|nonsense\r\n", Fate::Unknown, None, true),
        ("340 go\r\n", Fate::Unknown, None, true),
        ("340 go\r\n|24", Fate::Unknown, None, true),
        (
            "440 not permitted\r\n",
            Fate::RefusedForGood,
            Some(No::Other),
            false,
        ),
        ("480 log in\r\n", Fate::NotSent, Some(No::NeedsLogin), false),
        ("483 encrypt\r\n", Fate::NotSent, Some(No::NeedsTls), false),
        ("240 done\r\n", Fate::NotSent, None, false),
        ("340 go\r\n240 early\r\n", Fate::NotSent, None, false),
        ("", Fate::NotSent, None, false),
    ] {
        let (posted, _, said) = posts(heard);
        assert_eq!(posted.fate, fate, "{heard}");
        assert_eq!(posted.error.as_ref().and_then(No::of), no, "{heard}");
        assert!(posted.error.is_some(), "{heard}");
        assert_eq!(said.contains("Subject"), is_sent, "{heard}");
    }
}

#[test]
fn an_article_that_cannot_be_sent_to_its_end_is_never_ended() {
    let (mut session, said) = session("340 go\r\n|240 done\r\n", MODERN);
    let posted = session.post(&mut &b"Subject: a\rb\n"[..]);
    assert_eq!(posted.fate, Fate::NotSent);
    assert!(matches!(posted.error, Some(Error::Illegal { .. })));
    session.quit();
    assert_eq!(said_after(&said), "POST\r\n");
}

#[test]
fn articles_are_offered_to_servers() {
    // RFC 3977 section 6.3.2.3.
    for (heard, fate) in [
        (
            "335 Send it\r\n|235 Article transferred OK\r\n",
            Fate::Accepted,
        ),
        (
            "335 Send it\r\n|437 Article rejected; don't send again\r\n",
            Fate::RefusedForGood,
        ),
        (
            "335 Send it\r\n|436 Transfer failed\r\n",
            Fate::RefusedForNow,
        ),
        ("435 Duplicate\r\n", Fate::Unwanted),
        ("436 Retry later\r\n", Fate::RefusedForNow),
    ] {
        let (mut session, said) = session(heard, MODERN);
        let name = id("i.am.an.article.you.will.want@example.com");
        let posted = session.ihave(&name, &mut ARTICLE.as_bytes());
        assert_eq!(posted.fate, fate, "{heard}");
        assert!(said_after(&said).starts_with(&format!("IHAVE {name}\r\n")));
    }
}

#[test]
fn compression_must_be_offered_and_comes_after_the_login() {
    let (mut session, _) = session("", Some("READER\r\n"));
    assert!(matches!(session.compress(), Err(Error::Refused { .. })));
    let (mut session, said) = self::session("206 Compression active\r\n", MODERN);
    session.compress().unwrap();
    assert_eq!(said_after(&said), "COMPRESS DEFLATE\r\n");
    let nobody = proto_auth::SaslCredentials::Nothing {
        identity: String::new(),
    };
    let login = session.into_client().log_in(&nobody, None, true);
    assert!(matches!(login, Err(Error::Illegal { .. })));
    let (mut session, _) = self::session("403 Unable to activate compression\r\n", MODERN);
    assert!(session.compress().unwrap_err().is_transient());
}
