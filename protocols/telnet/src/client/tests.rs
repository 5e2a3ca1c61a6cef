//! The client over memory: who says what when, and what is recorded of it.

use std::sync::{Arc, Mutex};

use proto_transport::session::Step;
use proto_transport::{Connector, Endpoint, Error, Memory, Security, Sink, Transcript};

use super::*;
use crate::nvt::Event;

fn data_of(client: &mut Client) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    while client.receive(&mut |event| {
        if let Event::Data(bytes) = event {
            data.extend_from_slice(bytes);
        }
        Ok(())
    })? {}
    Ok(data)
}

#[test]
fn both_sides_speak_when_they_like() {
    let memory = Memory::in_pieces([&b"\xff\xfd\x18\xff"[..], b"\xfb\x01login: "]);
    let said = memory.said();
    let mut client = Client::over(Connection::over(memory), Settings::default()).unwrap();
    client.say_text(b"early\n").unwrap();
    assert_eq!(data_of(&mut client).unwrap(), b"login: ");
    client.say_keys(b"x\r").unwrap();
    client.say_command(Command::ARE_YOU_THERE).unwrap();
    client.flush().unwrap();
    assert_eq!(
        said.bytes(),
        b"early\r\n\xff\xfc\x18\xff\xfd\x01x\r\0\xff\xf6"
    );
}

#[test]
fn a_server_in_a_circle_is_told_so() {
    let memory = Memory::new(b"\xff\xfb\x01\xff\xfc\x01".repeat(10_000));
    let said = memory.said();
    let mut client = Client::over(Connection::over(memory), Settings::default()).unwrap();
    let error = data_of(&mut client).unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    assert!(said.bytes().len() <= 3000);
}

#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<String>>>);

impl Sink for Steps {
    fn step(&mut self, _: usize, step: &Step) -> std::io::Result<()> {
        self.0.lock().unwrap().push(step.to_string());
        Ok(())
    }
}

/// What is recorded of a conversation over a real connection: a server says `heard`, and then the
/// client says all of `said`.
fn recorded(heard: &[&'static [u8]], say: impl FnOnce(&mut Client)) -> Vec<String> {
    let steps = Steps::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let heard = heard.concat();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(&heard).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        said
    });
    let connector = Connector {
        transcript: Some(Transcript::new(vec![Box::new(steps.clone())], false)),
        ..Connector::default()
    };
    let target = Target {
        endpoint: Endpoint {
            scheme: "telnet".to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            security: Security::Plain,
        },
        user: None,
    };
    let mut client = Client::connect(&connector, &target, Settings::default()).unwrap();
    data_of(&mut client).unwrap();
    say(&mut client);
    client.connection.flush().unwrap();
    drop(client);
    server.join().unwrap();
    let steps = steps.0.lock().unwrap().clone();
    steps
}

#[test]
fn a_password_is_not_recorded() {
    let steps = recorded(&[b"login: fred\r\nPassword: "], |client| {
        client.say_text(b"canary\nls\n").unwrap();
    });
    let said: Vec<&String> = steps.iter().filter(|step| step.starts_with('C')).collect();
    assert_eq!(said, ["C: (secret)", "C: ls"]);
    // Key by key, and with what one mistyped.
    let steps = recorded(&[b"Password: "], |client| {
        for key in b"can\x7fary\rls\r" {
            client.say_keys(&[*key]).unwrap();
        }
    });
    let said: Vec<&String> = steps.iter().filter(|step| step.starts_with('C')).collect();
    assert_eq!(said, ["C: (secret)", "C| ls\\r\\x00"]);
}

#[test]
fn what_is_no_password_is_recorded() {
    let steps = recorded(&[b"login: "], |client| client.say_text(b"fred\n").unwrap());
    assert_eq!(steps, ["S| login:\\x20", "C: fred"]);
}
