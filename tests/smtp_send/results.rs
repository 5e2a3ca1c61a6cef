//! Rows, JSON, the report, and how much of it is said.

use super::*;

#[test]
fn the_row_of_a_recipient_says_what_became_of_it() {
    let mail = Mail::ruled(&["dot reply=250 2.0.0 Queued\\nas 1"]);
    let run = send(&mail, &[]).exits(0);
    assert_eq!(
        rows(&run),
        row("accepted", "b@example.org", "250 2.0.0 Queued as 1")
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn with_several_messages_each_row_names_its_own() {
    let mail = Mail::ruled(&[]);
    let (one, two) = (sample("plain.eml"), sample("dots.eml"));
    let run = send(&mail, &["--message", &two]).exits(0);
    let lines: Vec<String> = rows(&run).lines().map(str::to_owned).collect();
    assert_eq!(
        lines[0],
        format!("accepted  b@example.org  {one}  250 2.0.0 Taken")
    );
    assert!(lines[1].contains(&two));
}

const ITEM: [&str; 10] = [
    "code",
    "enhanced",
    "error",
    "message",
    "message_id",
    "recipient",
    "reply",
    "result",
    "sender",
    "tries",
];

#[test]
fn json_has_an_object_for_each_recipient() {
    let mail = Mail::ruled(&["rcpt=bad@* reply=550 5.1.1 No"]);
    let run = send(&mail, &["--json", "--to", "bad@example.org"]).exits(69);
    let items: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(items.len(), 2);
    for item in &items {
        assert_eq!(keys(item), ITEM);
        assert_eq!(item["sender"], "a@example.org");
        assert_eq!(item["message"], sample("plain.eml"));
        assert!(item["message_id"]
            .as_str()
            .unwrap()
            .contains("plain@a.example"));
        assert_eq!(item["tries"], 1);
        assert_eq!(item["error"], Value::Null);
    }
    assert_eq!(items[0]["result"], "accepted");
    assert_eq!(items[0]["recipient"], "b@example.org");
    assert_eq!(
        (&items[0]["code"], &items[0]["enhanced"]),
        (&250.into(), &"2.0.0".into())
    );
    assert_eq!(items[1]["result"], "refused-for-good");
    assert_eq!(
        (&items[1]["code"], &items[1]["enhanced"]),
        (&550.into(), &"5.1.1".into())
    );
    assert_eq!(items[1]["reply"], "550 5.1.1 No");
}

#[test]
fn what_nobody_answered_has_an_error_instead_of_a_reply() {
    let mail = Mail::ruled(&["dot drop"]);
    let run = send(&mail, &["--json"]).exits(79);
    let item: Value = serde_json::from_str(&run.text()).unwrap();
    assert_eq!(item["result"], "unknown");
    assert_eq!(
        (&item["code"], &item["reply"], &item["enhanced"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert!(
        item["error"].as_str().unwrap().contains("hung up"),
        "{item}"
    );
}

const RECORD: [&str; 11] = [
    "bytes", "command", "error", "exit", "items", "ok", "peer", "stage", "target", "timings", "tls",
];

#[test]
fn the_report_has_one_record_with_an_item_for_each_recipient() {
    let folder = folder();
    let path = folder.path().join("report");
    let mail = Mail::ruled(&["rcpt=bad@* reply=550 5.1.1 No"]);
    let options = [
        "--report",
        path.to_str().unwrap(),
        "--to",
        "bad@example.org",
    ];
    send(&mail, &options).exits(69);
    let record = report(&folder);
    assert_eq!(keys(&record), RECORD);
    assert_eq!(record["command"], "smtp-send");
    assert_eq!(
        (&record["ok"], &record["exit"]),
        (&false.into(), &69.into())
    );
    assert!(record["peer"]["address"]
        .as_str()
        .unwrap()
        .starts_with("127.0.0.1:"));
    assert_eq!(record["tls"], Value::Null);
    assert!(record["timings"]["total"].is_number());
    let items = record["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| keys(item) == ITEM));

    send(&mail, &options[..2]).exits(0);
    let record = report(&folder);
    assert_eq!((&record["ok"], &record["exit"]), (&true.into(), &0.into()));
    assert_eq!(record["error"], Value::Null);
}

#[test]
fn the_report_says_how_far_it_came() {
    for (rule, options, stage, exit) in [
        ("connect reply=554 No", &[][..], "greeting", 69),
        ("ehlo reply=421 No", &[], "command", 75),
        ("starttls reply=454 No", &["--starttls"], "tls", 76),
        ("auth reply=535 5.7.8 No", &["-u", "fred"], "auth", 77),
    ] {
        let folder = folder();
        let path = folder.path().join("report");
        let mail = Mail::ruled(&[rule]);
        let (url, message) = (mail.url(), sample("plain.eml"));
        let mut command = command(&[
            "smtp-send",
            &url,
            "--from",
            "a@x.example",
            "--to",
            "b@x.example",
            "--message",
            &message,
        ]);
        command
            .args(["--report", path.to_str().unwrap()])
            .args(options);
        command.env("PROTO_PASSWORD", "secret");
        Run::from(command.output().unwrap()).exits(exit);
        let record = report(&folder);
        assert_eq!(record["stage"], stage, "{record}");
        assert_eq!(
            (&record["ok"], &record["exit"]),
            (&false.into(), &exit.into())
        );
        assert!(record["error"].is_string(), "{record}");
        assert_eq!(record["items"][0]["result"], "not-sent", "{record}");
    }
}

#[test]
fn the_target_in_the_report_has_no_password() {
    let folder = folder();
    let path = folder.path().join("report");
    let mail = Mail::ruled(&[]);
    let url = format!("smtp://fred:canary-7Q@localhost:{}", mail.server.port());
    let message = sample("plain.eml");
    let arguments = [
        "smtp-send",
        &url,
        "--from",
        "a@x.example",
        "--to",
        "b@x.example",
        "--message",
        &message,
        "--report",
        path.to_str().unwrap(),
    ];
    let run = proto(&arguments);
    assert!(
        !run.stderr.contains("canary") && !run.text().contains("canary"),
        "{run:?}"
    );
    let record = std::fs::read_to_string(path).unwrap();
    assert!(
        record.contains("fred@localhost") && !record.contains("canary"),
        "{record}"
    );
}

#[test]
fn the_summary_is_only_for_several_and_not_when_quiet() {
    let mail = Mail::ruled(&["rcpt=bad* reply=550 5.1.1 No"]);
    let summary = "recipients did not get it";
    let two = ["--to", "bad@example.org"];
    send(&mail, &two).exits(69).says(summary);
    let run = send(&mail, &["--to", "bad@example.org", "-q"]).exits(69);
    assert_eq!(run.stderr, "");
    assert_eq!(run.text().lines().count(), 2);
    let url = mail.url();
    let path = sample("plain.eml");
    let run = proto(&[
        "smtp-send",
        &url,
        "--from",
        "a@x",
        "--to",
        "bad@x",
        "--message",
        &path,
    ]);
    assert!(!run.exits(69).stderr.contains(summary));
}

#[test]
fn the_conversation_is_shown_where_that_is_asked_for() {
    let mail = Mail::ruled(&[]);
    let run = send(&mail, &["--trace", "--without", "CHUNKING"]).exits(0);
    for line in [
        "EHLO [127.0.0.1]",
        "MAIL FROM:<a@example.org> SIZE=",
        "354 ",
        "QUIT",
        "221 ",
    ] {
        assert!(run.stderr.contains(line), "{line}: {}", run.stderr);
    }
    assert_eq!(
        rows(&run),
        row("accepted", "b@example.org", "250 2.0.0 Taken")
    );
    let run = send(&mail, &["-v"]).exits(0);
    assert_eq!(run.text().lines().count(), 1);
}
