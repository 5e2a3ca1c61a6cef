//! The dialogues of RFC 9051, RFC 2971 and RFC 5256 that commands of `proto` have no use for, with
//! our tags, and UIDs where we ask for those.

use proto_auth::SaslCredentials;
use proto_imap::{Client, Key, Mailbox, Search, Session, Tags, Target, Threaded};
use proto_transport::{Connection, Memory, Said};

/// An open account of a server with these capabilities that says this; our commands begin with `a2`.
fn session(capabilities: &str, heard: &str) -> (Session, Said) {
    let greeting = format!("* OK [CAPABILITY {capabilities}] hi\r\n");
    let login = format!("a1 OK [CAPABILITY {capabilities}] in\r\n");
    let heard = heard.replace('\n', "\r\n");
    let lines = heard.split_inclusive('\n').map(str::to_owned);
    let memory = Memory::in_pieces([greeting, login].into_iter().chain(lines));
    let said = memory.said();
    let target = Target::parse("imap://localhost/").unwrap();
    let tags = Tags::with_prefix("a");
    let client = Client::over_with_tags(Connection::over(memory), &target, tags).unwrap();
    let (user, password) = ("SMITH".to_owned(), "SESAME".into());
    let me = SaslCredentials::Password { user, password };
    (client.log_in(&me, None, true).unwrap(), said)
}

/// What was said behind the login.
fn commands(said: &Said) -> String {
    let text = said.text().replace("\r\n", "\n");
    text.strip_prefix("a1 LOGIN SMITH \"SESAME\"\n")
        .unwrap()
        .to_owned()
}

/// Prefix and delimiter of each namespace, of ours, of others', and of those that are shared.
fn namespaces(answer: &str) -> [String; 3] {
    let heard = format!("* NAMESPACE {answer}\na2 OK NAMESPACE command completed\n");
    let (mut session, said) = session("IMAP4rev2", &heard);
    let found = session.namespaces().unwrap();
    assert_eq!(commands(&said), "a2 NAMESPACE\n");
    [found.personal, found.others, found.shared].map(|all| {
        let one = |it: &proto_imap::Namespace| {
            let prefix = String::from_utf8(it.prefix.clone()).unwrap();
            format!("{prefix} {}", it.delimiter.unwrap_or('-'))
        };
        all.iter().map(one).collect::<Vec<_>>().join(",")
    })
}

/// RFC 9051 section 6.3.10.
#[test]
fn namespaces_of_nine_servers() {
    for (answer, expected) in [
        ("((\"\" \"/\")) NIL NIL", [" /", "", ""]),
        ("NIL NIL ((\"\" \".\"))", ["", "", " ."]),
        (
            "((\"\" \"/\")) NIL ((\"Public Folders/\" \"/\"))",
            [" /", "", "Public Folders/ /"],
        ),
        (
            "((\"\" \"/\")) ((\"~\" \"/\")) ((\"#shared/\" \"/\") (\"#public/\" \"/\")(\"#ftp/\" \"/\")(\"#news.\" \".\"))",
            [" /", "~ /", "#shared/ /,#public/ /,#ftp/ /,#news. ."],
        ),
        ("((\"INBOX.\" \".\")) NIL  NIL", ["INBOX. .", "", ""]),
        (
            "((\"\" \"/\")(\"#mh/\" \"/\" \"X-PARAM\" (\"FLAG1\" \"FLAG2\"))) NIL NIL",
            [" /,#mh/ /", "", ""],
        ),
        ("((\"\" \"/\")) ((\"Other Users/\" \"/\")) NIL", [" /", "Other Users/ /", ""]),
        ("((\"\" \"/\")) ((\"#Users/\" \"/\")) NIL", [" /", "#Users/ /", ""]),
        ("((\"\" \"/\")) ((\"~\" \"/\")) NIL", [" /", "~ /", ""]),
    ] {
        assert_eq!(namespaces(answer), expected, "{answer}");
    }
}

/// RFC 2971 sections 3.1 and 3.2.
#[test]
fn who_is_who() {
    let ours = [
        ("name", "sodr"),
        ("version", "19.34"),
        ("vendor", "Pink Floyd Music Limited"),
    ];
    let (mut one, said) = session("IMAP4rev1 ID", "* ID NIL\na2 OK ID completed\n");
    assert_eq!(one.id(&ours).unwrap(), []);
    assert_eq!(
        commands(&said),
        "a2 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" \"Pink Floyd Music Limited\")\n"
    );
    let heard = "* ID (\"name\" \"Cyrus\" \"version\" \"1.5\" \"os\" \"sunos\" \"os-version\" \"5.5\" \
                 \"support-url\" \"mailto:cyrus-bugs+@andrew.cmu.edu\")\na2 OK ID command completed\n";
    let (mut one, said) = session("IMAP4rev1 ID", heard);
    let theirs = [
        ("name", "Cyrus"),
        ("version", "1.5"),
        ("os", "sunos"),
        ("os-version", "5.5"),
        ("support-url", "mailto:cyrus-bugs+@andrew.cmu.edu"),
    ];
    let theirs = theirs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(one.id(&[]).unwrap(), theirs);
    assert_eq!(commands(&said), "a2 ID NIL\n");
}

/// RFC 9051 sections 6.3.1 and 7.2.1.
#[test]
fn extensions_are_enabled() {
    for (asked, heard, enabled) in [
        (
            &["CONDSTORE", "X-GOOD-IDEA"][..],
            "* ENABLED X-GOOD-IDEA\na2 OK foo\n",
            &["X-GOOD-IDEA"][..],
        ),
        (
            &["CONDSTORE"],
            "* ENABLED CONDSTORE\na2 OK Conditional Store enabled\n",
            &["CONDSTORE"],
        ),
        (
            &["CONDSTORE", "QRESYNC"],
            "* ENABLED CONDSTORE QRESYNC\na2 OK\n",
            &["CONDSTORE", "QRESYNC"],
        ),
        (&["X-BAD-IDEA"], "* ENABLED\na2 OK\n", &[]),
    ] {
        let (mut one, said) = session("IMAP4rev2 ID LITERAL+ X-GOOD-IDEA", heard);
        let found = one.enable(asked).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), enabled);
        assert_eq!(commands(&said), format!("a2 ENABLE {}\n", asked.join(" ")));
    }
}

/// `2@0 3@0 6@1`: UIDs and how deep they are; 0 for a message that is not there.
fn shown(threads: &[Threaded]) -> String {
    let one = |it: &Threaded| format!("{}@{}", it.uid.unwrap_or(0), it.depth);
    threads.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn threads(algorithm: &str, search: &str, answer: &str) -> (String, String) {
    let heard = format!(
        "* 208 EXISTS\na2 OK [READ-ONLY] EXAMINE completed\n* THREAD{answer}\na3 OK THREAD completed\n"
    );
    let (mut one, said) = session("IMAP4rev1 THREAD=ORDEREDSUBJECT THREAD=REFERENCES", &heard);
    one.examine(&Mailbox::new("INBOX").unwrap()).unwrap();
    let search: Search = [Key::raw(search).unwrap()].into_iter().collect();
    let found = shown(&one.thread(algorithm, &search).unwrap());
    let asked = commands(&said);
    (
        asked.strip_prefix("a2 EXAMINE INBOX\n").unwrap().to_owned(),
        found,
    )
}

/// RFC 5256, BASE.6.4.THREAD and BASE.7.2.THREAD.
#[test]
fn messages_hang_together() {
    let (asked, found) = threads(
        "ORDEREDSUBJECT",
        "SINCE 5-MAR-2000",
        " (166)(167)(168)(169)(172)(170)(171)(173)(174 (175)(176)(178)(181)(180))(179)(177 \
         (183)(182)(188)(184)(185)(186)(187)(189))(190)(191)(192)(193)(194 195)(196 (197)(198))(199)\
         (200 202)(201)(203)(204)(205)(206 207)(208)",
    );
    assert_eq!(
        asked,
        "a3 UID THREAD ORDEREDSUBJECT US-ASCII SINCE 5-MAR-2000\n"
    );
    assert_eq!(
        found,
        "166@0 167@0 168@0 169@0 172@0 170@0 171@0 173@0 174@0 175@1 176@1 178@1 181@1 180@1 179@0 \
         177@0 183@1 182@1 188@1 184@1 185@1 186@1 187@1 189@1 190@0 191@0 192@0 193@0 194@0 195@1 \
         196@0 197@1 198@1 199@0 200@0 202@1 201@0 203@0 204@0 205@0 206@0 207@1 208@0"
    );
    let (asked, found) = threads("ORDEREDSUBJECT", "TEXT \"gewp\"", "");
    assert_eq!(
        asked,
        "a3 UID THREAD ORDEREDSUBJECT US-ASCII TEXT \"gewp\"\n"
    );
    assert_eq!(found, "");
    let (asked, found) = threads(
        "REFERENCES",
        "SINCE 5-MAR-2000",
        " (166)(167)(168)(169)(172)((170)(179))(171)(173)((174)(175)(176)(178)(181)(180))\
         ((177)(183)(182)(188 (184)(189))(185 186)(187))(190)(191)(192)(193)((194)(195 196))(197 198)\
         (199)(200 202)(201)(203)(204)(205 206 207)(208)",
    );
    assert_eq!(
        asked,
        "a3 UID THREAD REFERENCES US-ASCII SINCE 5-MAR-2000\n"
    );
    assert_eq!(
        found,
        "166@0 167@0 168@0 169@0 172@0 0@0 170@1 179@1 171@0 173@0 0@0 174@1 175@1 176@1 178@1 181@1 \
         180@1 0@0 177@1 183@1 182@1 188@1 184@2 189@2 185@1 186@2 187@1 190@0 191@0 192@0 193@0 0@0 \
         194@1 195@1 196@2 197@0 198@1 199@0 200@0 202@1 201@0 203@0 204@0 205@0 206@1 207@2 208@0"
    );
    let (_, found) = threads("REFERENCES", "ALL", " (2)(3 6 (4 23)(44 7 96))");
    assert_eq!(found, "2@0 3@0 6@1 4@2 23@3 44@2 7@3 96@4");
    let (_, found) = threads("REFERENCES", "ALL", " ((3)(5))");
    assert_eq!(found, "0@0 3@1 5@1");
}

/// RFC 9051 sections 6.4.1 and 6.4.2.
#[test]
fn a_mailbox_is_closed_and_loses_nothing() {
    let opened = "* 1 EXISTS\na2 OK [READ-WRITE] SELECT completed\n";
    let heard = format!("{opened}a3 OK Unselect completed\n");
    let (mut one, said) = session("IMAP4rev2", &heard);
    let mailbox = Mailbox::new("INBOX").unwrap();
    one.select(&mailbox).unwrap();
    one.unselect().unwrap();
    assert_eq!(commands(&said), "a2 SELECT INBOX\na3 UNSELECT\n");
    let heard =
        format!("{opened}* 1 EXISTS\na3 OK [READ-ONLY] EXAMINE completed\na4 OK CLOSE completed\n");
    let (mut one, said) = session("IMAP4rev1", &heard);
    one.select(&mailbox).unwrap();
    one.unselect().unwrap();
    assert_eq!(
        commands(&said),
        "a2 SELECT INBOX\na3 EXAMINE INBOX\na4 CLOSE\n"
    );
}

/// RFC 9051 sections 6.3.4, 6.3.5, 6.3.7, 6.3.8 and 7.1.
#[test]
fn mailboxes_come_and_go() {
    let name = |name: &str| Mailbox::new(name).unwrap();
    let heard = "a2 OK CREATE completed\na3 OK CREATE completed\n\
        * LIST () \"/\" \"Normalized\" (\"OLDNAME\" (\"NonNormalized\"))\na4 OK CREATE completed\n\
        a5 OK DELETE completed\na6 NO Name \"foo\" has inferior hierarchical names\n\
        a7 NO [HASCHILDREN] Mailbox \"Notes\" has children that need to be deleted first\n\
        a8 NO [INUSE] Mailbox in use\na9 OK SUBSCRIBE completed\na10 OK UNSUBSCRIBE completed\n";
    let (mut one, said) = session("IMAP4rev2", heard);
    one.create(&name("owatagusiam/")).unwrap();
    one.create(&name("owatagusiam/blurdybloop")).unwrap();
    one.create(&name("NonNormalized")).unwrap();
    one.delete_mailbox(&name("blurdybloop")).unwrap();
    for (mailbox, why, is_transient) in [
        ("foo", "has inferior hierarchical names", false),
        ("Notes", "[HASCHILDREN]", false),
        ("archive/projects/experiment-iv", "[INUSE]", true),
    ] {
        let error = one.delete_mailbox(&name(mailbox)).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.is_transient(), is_transient, "{error}");
    }
    one.subscribe(&name("#news.comp.mail.mime")).unwrap();
    one.unsubscribe(&name("#news.comp.mail.mime")).unwrap();
    assert_eq!(
        commands(&said),
        "a2 CREATE owatagusiam/\na3 CREATE owatagusiam/blurdybloop\na4 CREATE NonNormalized\n\
         a5 DELETE blurdybloop\na6 DELETE foo\na7 DELETE Notes\n\
         a8 DELETE archive/projects/experiment-iv\na9 SUBSCRIBE #news.comp.mail.mime\n\
         a10 UNSUBSCRIBE #news.comp.mail.mime\n"
    );
}
