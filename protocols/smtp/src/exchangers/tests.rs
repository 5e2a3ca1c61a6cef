use super::*;
use std::net::TcpListener;
use std::thread;

const CNAME: u16 = 5;
const MX: u16 = 15;
const FINE: u16 = 0x8180;

/// Octets of a name as they stand in a message.
fn octets(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat();
    labels.flat_map(label).chain([0]).collect()
}

fn mx(preference: u16, host: &str) -> Vec<u8> {
    [&preference.to_be_bytes()[..], &octets(host)].concat()
}

/// A response to a query.
fn response(query: &[u8], flags: u16, records: &[(&str, u16, Vec<u8>)]) -> Vec<u8> {
    let mut message = query[..2].to_vec();
    let count = u16::try_from(records.len()).unwrap();
    for number in [flags, 1, count, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend(&query[12..]);
    for (owner, kind, data) in records {
        message.extend(octets(owner));
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }
    message
}

/// A server that answers each query with the datagrams that `answer` makes of it.
fn server(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    serve(UdpSocket::bind("127.0.0.1:0").unwrap(), answer)
}

fn serve(socket: UdpSocket, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            for datagram in answer(&buffer[..length]) {
                let _ = socket.send_to(&datagram, client);
            }
        }
    });
    address
}

/// The same for one query over TCP, whose datagrams are all truncated.
fn tcp_server(answer: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    // The port must be free for both protocols.
    let (listener, socket) = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0"))
        .take(100)
        .find_map(|listener| {
            let listener = listener.unwrap();
            let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok()?;
            Some((listener, socket))
        })
        .unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut length = [0; 2];
        client.read_exact(&mut length).unwrap();
        let mut query = vec![0; u16::from_be_bytes(length).into()];
        client.read_exact(&mut query).unwrap();
        client.write_all(&answer(&query)).unwrap();
    });
    serve(socket, |query| vec![response(query, FINE | 0x0200, &[])])
}

fn with_length(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

/// A server with these records.
fn records(records: Vec<(&'static str, u16, Vec<u8>)>) -> SocketAddr {
    server(move |query| vec![response(query, FINE, &records)])
}

fn with_code(code: u16) -> SocketAddr {
    server(move |query| vec![response(query, FINE | code, &[])])
}

fn look_up(domain: &str, servers: &[SocketAddr]) -> Result<Vec<(u16, String)>> {
    within(Duration::from_secs(20), domain, servers)
}

fn within(time: Duration, domain: &str, servers: &[SocketAddr]) -> Result<Vec<(u16, String)>> {
    let found = exchangers(domain, servers, Instant::now() + time)?;
    let pair = |exchanger: Exchanger| (exchanger.preference, exchanger.host);
    Ok(found.into_iter().map(pair).collect())
}

#[test]
fn the_best_come_first_and_equals_as_received() {
    let server = records(vec![
        ("example.org", MX, mx(20, "c.example.org")),
        ("example.org", MX, mx(10, "b.example.org")),
        ("other.example", MX, mx(0, "trap.example")),
        ("Example.Org", MX, mx(10, "A.example.net")),
    ]);
    let expected = ["b.example.org", "a.example.net", "c.example.org"];
    let found = look_up("example.org", &[server]).unwrap();
    let hosts: Vec<&str> = found.iter().map(|(_, host)| host.as_str()).collect();
    assert_eq!(hosts, expected);
}

#[test]
fn a_domain_without_records_takes_its_mail_itself() {
    let found = look_up("Exämple.org.", &[records(vec![])]).unwrap();
    assert_eq!(found, [(0, "xn--exmple-cua.org".to_owned())]);
}

#[test]
fn a_null_mx_is_a_lasting_no() {
    let server = records(vec![("example.org", MX, mx(0, "."))]);
    let error = look_up("example.org", &[server]).unwrap_err();
    assert!(error.to_string().contains("accepts no mail"), "{error}");
    assert!(!error.is_transient());

    let server = records(vec![
        ("example.org", MX, mx(0, ".")),
        ("example.org", MX, mx(5, "mail.example.org")),
    ]);
    let found = look_up("example.org", &[server]).unwrap();
    assert_eq!(found, [(5, "mail.example.org".to_owned())]);
}

#[test]
fn what_names_no_host_is_passed_over() {
    let wrong = ["10.0.0.1", "127.1", "0x7f000001", "a b", "-o.example.org"];
    let mut all: Vec<_> = wrong
        .iter()
        .map(|host| ("example.org", MX, mx(1, host)))
        .collect();
    let error = look_up("example.org", &[records(all.clone())]).unwrap_err();
    assert!(error.to_string().contains("none of its 5 MX"), "{error}");
    assert!(!error.is_transient());

    all.push(("example.org", MX, mx(2, "mail.example.org")));
    let found = look_up("example.org", &[records(all)]).unwrap();
    assert_eq!(found, [(2, "mail.example.org".to_owned())]);
}

#[test]
fn an_alias_has_the_exchangers_of_its_name() {
    let server = records(vec![
        ("example.net", MX, mx(7, "mail.example.net")),
        ("example.org", CNAME, octets("www.example.net")),
        ("www.example.net", CNAME, octets("example.net")),
    ]);
    let found = look_up("example.org", &[server]).unwrap();
    assert_eq!(found, [(7, "mail.example.net".to_owned())]);
}

#[test]
fn what_is_truncated_is_asked_for_over_tcp() {
    let many = |query: &[u8]| {
        let all: Vec<_> = (0..100)
            .map(|number| ("example.org", MX, mx(100 - number, "mail.example.org")))
            .collect();
        with_length(&response(query, FINE, &all))
    };
    let found = look_up("example.org", &[tcp_server(many)]).unwrap();
    assert_eq!(found.len(), MOST_EXCHANGERS);
    assert_eq!(found[0].0, 1);
}

#[test]
fn an_answer_over_tcp_is_checked_too() {
    let truncated = |query: &[u8]| with_length(&response(query, FINE | 0x0200, &[]));
    let other = |query: &[u8]| with_length(&response(&query[1..], FINE, &[]));
    for server in [tcp_server(truncated), tcp_server(other)] {
        let lookup = Lookup::new("example.org").unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let error = lookup.ask(&server, until).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
    let server = tcp_server(|query| with_length(query)[..20].to_vec());
    let lookup = Lookup::new("example.org").unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let error = lookup.ask(&server, until).unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
}

#[test]
fn what_answers_another_query_is_not_heard() {
    let server = server(|query| {
        let trap = [("example.org", MX, mx(1, "trap.example"))];
        let mut other_id = response(query, FINE, &trap);
        other_id[0] ^= 1;
        let mut other_question = response(query, FINE, &trap);
        other_question[13] ^= 1;
        let real = [("example.org", MX, mx(1, "mail.example.org"))];
        let garbage = b"\xff".repeat(600);
        let echo = query.to_vec();
        let real = response(query, FINE, &real);
        vec![other_id, other_question, garbage, vec![], echo, real]
    });
    let found = look_up("example.org", &[server]).unwrap();
    assert_eq!(found, [(1, "mail.example.org".to_owned())]);
}

#[test]
fn an_answer_with_garbage_is_malformed() {
    let server = server(|query| {
        let record = [("example.org", MX, vec![0, 1, 0xc0, 0xff])];
        vec![response(query, FINE, &record)]
    });
    let error = look_up("example.org", &[server]).unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    let found = look_up("example.org", &[server, records(vec![])]);
    assert!(found.is_ok());
}

#[test]
fn silence_ends_at_the_deadline() {
    let silent = server(|_| vec![]);
    let started = Instant::now();
    let time = Duration::from_millis(200);
    let error = within(time, "example.org", &[silent]).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(started.elapsed() >= time / 2);
    assert!(started.elapsed() < Duration::from_secs(5));
    let error = within(Duration::ZERO, "example.org", &[silent]).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}

#[test]
fn the_next_server_is_asked_in_time() {
    let silent = server(|_| vec![]);
    let time = Duration::from_secs(2);
    assert!(within(time, "example.org", &[silent, records(vec![])]).is_ok());
}

#[test]
fn a_failure_is_transient_and_the_next_server_is_asked() {
    let failing = with_code(2);
    let error = look_up("example.org", &[failing]).unwrap_err();
    assert!(error.to_string().contains("SERVFAIL"), "{error}");
    assert!(error.is_transient());
    assert!(look_up("example.org", &[failing, records(vec![])]).is_ok());
}

#[test]
fn a_server_that_is_not_there_is_transient() {
    // No other test listens at this address, whatever port it is given.
    let nobody = UdpSocket::bind("127.0.0.2:0").and_then(|socket| socket.local_addr());
    let error = look_up("example.org", &[nobody.unwrap()]).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.is_transient(), "{error}");
}

#[test]
fn no_such_name_is_final() {
    let error = look_up("example.org", &[with_code(3), records(vec![])]).unwrap_err();
    let Error::Unreachable { because, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(because, Unreachable::NoSuchHost);
}

#[test]
fn only_domains_have_exchangers() {
    let nobody = [SocketAddr::from(([127, 0, 0, 1], 9))];
    for wrong in [
        "",
        ".",
        "a..b",
        "127.0.0.1",
        "[127.0.0.1]",
        "[::1]",
        "[IPv6:::1]",
        "::1",
        "1",
        "0x7f.1",
        "a b",
        "a@b",
        "a/b",
        "a\r\nb",
        "a\0",
        "-a.org",
    ] {
        let error = look_up(wrong, &nobody).unwrap_err();
        assert!(matches!(error, Error::Illegal { .. }), "{wrong:?}: {error}");
    }
    let error = look_up("example.org", &[]).unwrap_err();
    assert!(matches!(error, Error::Illegal { .. }), "{error}");
}

#[test]
fn servers_as_resolv_conf_lists_them() {
    let text = "# nameserver 9.9.9.9\nsearch example.org\nnameserver 10.0.0.1\n\
        \tnameserver\t::1  # here\nnameserver\nnameserver x\nnameservers 10.0.0.2\n\
        nameserver 10.0.0.3\nnameserver 10.0.0.4";
    let expected = ["10.0.0.1:53", "[::1]:53", "10.0.0.3:53"];
    let found: Vec<String> = listed_servers(text)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, expected);
    assert_eq!(listed_servers(""), ["127.0.0.1:53".parse().unwrap()]);
    assert!(!name_servers().is_empty());
}
