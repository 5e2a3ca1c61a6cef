//! The small services of old, over UDP, and everything that a network may do to datagrams.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::stop::{locked, Stop};
use crate::tcp::{answer, chargen_line, daytime, Habit};

/// Something that happens to datagrams on their way, or that a server does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatagramFault {
    /// Of so many answers, the first is lost: 1 loses all, 2 every other one.
    Lose(usize),
    /// Every answer comes so often.
    Duplicate(usize),
    /// Answers come in pairs, the later first.
    Reorder,
    /// Answers are cut after so many bytes.
    Truncate(usize),
    /// Answers come so much later.
    Delay(Duration),
    /// Answers come from another port.
    Stranger,
}

/// Every fault as it is written, and what it does.
pub const DATAGRAM_FAULTS: &[(&str, &str)] = &[
    ("lose=N", "lose the first of every N answers; 1 loses all"),
    ("duplicate[=N]", "send every answer N times (2)"),
    (
        "reorder",
        "hold every other answer back until the next has gone",
    ),
    ("truncate=N", "cut answers after N bytes"),
    ("delay[=TIME]", "wait before every answer (200ms)"),
    ("stranger", "answer from another port"),
];

const DELAY: Duration = Duration::from_millis(200);

/// A text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotADatagramFault(String);

impl fmt::Display for NotADatagramFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = DATAGRAM_FAULTS.iter().map(|(name, _)| *name).collect();
        write!(
            f,
            "{:?} is not a fault; there are: {}",
            self.0,
            names.join(", ")
        )
    }
}

impl std::error::Error for NotADatagramFault {}

impl FromStr for DatagramFault {
    type Err = NotADatagramFault;

    fn from_str(text: &str) -> Result<DatagramFault, NotADatagramFault> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let number = || value.and_then(|value| value.parse::<usize>().ok());
        let positive = || number().filter(|number| *number > 0);
        let fault = match (name, value) {
            ("lose", Some(_)) => positive().map(DatagramFault::Lose),
            ("duplicate", None) => Some(DatagramFault::Duplicate(2)),
            ("duplicate", Some(_)) => positive().map(DatagramFault::Duplicate),
            ("reorder", None) => Some(DatagramFault::Reorder),
            ("truncate", Some(_)) => number().map(DatagramFault::Truncate),
            ("delay", None) => Some(DatagramFault::Delay(DELAY)),
            ("delay", Some(value)) => crate::fault::parse_time(value).map(DatagramFault::Delay),
            ("stranger", None) => Some(DatagramFault::Stranger),
            _ => None,
        };
        fault.ok_or_else(|| NotADatagramFault(text.to_owned()))
    }
}

/// A running server. It stops when it is dropped.
pub struct DatagramServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    socket: UdpSocket,
    /// The other port.
    stranger: UdpSocket,
    habit: Habit,
    faults: Vec<DatagramFault>,
    stop: Stop,
    heard: AtomicUsize,
}

/// How long one wait for a datagram lasts, after which the server looks whether it must stop.
const GLANCE: Duration = Duration::from_millis(50);

/// The largest datagram and a little more.
const ROOM: usize = 65_536;

/// The most that [`Habit::Chargen`] says in a datagram (RFC 864).
const CHARGEN: u64 = 512;

impl DatagramServer {
    /// Listens, and answers whoever sends something.
    pub fn start(
        bind: SocketAddr,
        habit: Habit,
        faults: Vec<DatagramFault>,
    ) -> io::Result<DatagramServer> {
        let socket = UdpSocket::bind(bind)?;
        socket.set_read_timeout(Some(GLANCE))?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared {
            socket,
            stranger: UdpSocket::bind((bind.ip(), 0))?,
            habit,
            faults,
            stop: Stop::default(),
            heard: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("mock datagrams".to_owned())
            .spawn(move || serving.serve())?;
        Ok(DatagramServer {
            address,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many datagrams came so far.
    pub fn heard(&self) -> usize {
        self.shared.heard.load(Ordering::SeqCst)
    }

    /// Stops, and waits until the thread is gone.
    pub fn stop(&self) {
        self.shared.stop.raise();
        if let Some(thread) = locked(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for DatagramServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn serve(&self) {
        let mut block = vec![0; ROOM];
        let mut held = None;
        let mut answers = 0;
        while !self.stop.is_raised() {
            let (count, sender) = match self.socket.recv_from(&mut block) {
                Ok(received) => received,
                Err(error) if is_passing(&error) => continue,
                Err(_) => return,
            };
            let number = self.heard.fetch_add(1, Ordering::SeqCst);
            let bytes = block.get_mut(..count).unwrap_or_default();
            let Some(answer) = self.answer(number, bytes) else {
                continue;
            };
            answers += 1;
            self.send(answers, answer, sender, &mut held);
        }
    }

    fn answer(&self, number: usize, bytes: &mut [u8]) -> Option<Vec<u8>> {
        match self.habit {
            Habit::Daytime => Some(format!("{}\r\n", daytime()).into_bytes()),
            Habit::Chargen => {
                // RFC 864 leaves the length to chance; here it follows from the number.
                let length = (number as u64 * 97) % (CHARGEN + 1);
                let mut text: Vec<u8> = (0..8).flat_map(chargen_line).collect();
                text.truncate(usize::try_from(length).unwrap_or(0));
                Some(text)
            }
            habit => answer(habit, bytes).map(<[u8]>::to_vec),
        }
    }

    /// Sends answer `number`, from 1, as the faults will have it.
    fn send(
        &self,
        number: usize,
        mut answer: Vec<u8>,
        sender: SocketAddr,
        held: &mut Option<(Vec<u8>, SocketAddr)>,
    ) {
        let (mut copies, mut socket, mut waits) = (1, &self.socket, false);
        for fault in &self.faults {
            match fault {
                DatagramFault::Lose(each) if (number - 1).is_multiple_of(*each) => return,
                DatagramFault::Lose(_) => {}
                DatagramFault::Duplicate(count) => copies = *count,
                DatagramFault::Reorder => waits = number % 2 == 1,
                DatagramFault::Truncate(length) => answer.truncate(*length),
                DatagramFault::Delay(time) => drop(self.stop.wait(*time)),
                DatagramFault::Stranger => socket = &self.stranger,
            }
        }
        if waits {
            *held = Some((answer, sender));
            return;
        }
        // What cannot be sent is lost, as datagrams are.
        for _ in 0..copies {
            let _ = socket.send_to(&answer, sender);
        }
        if let Some((answer, sender)) = held.take() {
            let _ = socket.send_to(&answer, sender);
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// What comes back of some datagrams; an empty text where nothing does.
    fn answers(habit: Habit, faults: &[&str], said: &[&str]) -> Vec<String> {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let bind = (Ipv4Addr::LOCALHOST, 0).into();
        let server = DatagramServer::start(bind, habit, faults).unwrap();
        let client = UdpSocket::bind(bind).unwrap();
        client.connect(server.address()).unwrap();
        for text in said {
            client.send(text.as_bytes()).unwrap();
        }
        while server.heard() < said.len() {
            thread::sleep(Duration::from_millis(2));
        }
        // What is under way goes, and no more will come.
        server.stop();
        client.set_nonblocking(true).unwrap();
        let mut block = vec![0; ROOM];
        let mut heard = Vec::new();
        while let Ok(count) = client.recv(&mut block) {
            heard.push(String::from_utf8_lossy(&block[..count]).into_owned());
        }
        heard
    }

    #[test]
    fn habits() {
        assert_eq!(answers(Habit::Echo, &[], &["a", "", "b"]), ["a", "", "b"]);
        assert_eq!(answers(Habit::Uppercase, &[], &["abc"]), ["ABC"]);
        assert!(answers(Habit::Discard, &[], &["abc"]).is_empty());
        assert!(answers(Habit::Daytime, &[], &["?"])[0].ends_with("+0000\r\n"));
        let lengths = answers(Habit::Chargen, &[], &["?"; 3]);
        let lengths: Vec<usize> = lengths.iter().map(String::len).collect();
        assert_eq!(lengths, [0, 97, 194]);
    }

    #[test]
    fn faults() {
        let said = ["one", "two", "three", "four"];
        for (fault, wanted) in [
            ("lose=1", &[][..]),
            ("lose=2", &["two", "four"]),
            (
                "duplicate",
                &["one", "one", "two", "two", "three", "three", "four", "four"],
            ),
            ("reorder", &["two", "one", "four", "three"]),
            ("truncate=2", &["on", "tw", "th", "fo"]),
            ("delay=1ms", &said),
            ("stranger", &[]),
        ] {
            assert_eq!(answers(Habit::Echo, &[fault], &said), wanted, "{fault}");
        }
    }

    #[test]
    fn what_is_no_fault_is_told() {
        for wrong in [
            "",
            "lose",
            "lose=0",
            "lose=x",
            "duplicate=0",
            "truncate",
            "delay=x",
            "reorder=1",
        ] {
            let error = wrong.parse::<DatagramFault>().unwrap_err().to_string();
            assert!(
                error.contains("is not a fault; there are: lose=N"),
                "{error}"
            );
        }
    }
}
