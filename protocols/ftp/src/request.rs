//! What we say. A request that is there can be said: what could end a line is refused by its parts.

use std::fmt;
use std::net::SocketAddr;

use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

use crate::moment::Moment;

/// A path on the server: bytes, because only the server knows in which character set its names are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<u8>);

impl Path {
    /// A path. It cannot be empty, nor hold CR, LF or NUL, which the line of a command cannot carry.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Path> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(Error::illegal("the path is empty"));
        }
        if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(Error::illegal(format!(
                "a path in FTP cannot hold CR, LF or NUL: \"{}\"",
                escaped(&bytes)
            )));
        }
        Ok(Path(bytes))
    }

    /// The path as the server knows it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What is called `name` in the folder of this path.
    pub fn join(&self, name: &[u8]) -> Result<Path> {
        let slash: &[u8] = if self.0.ends_with(b"/") { b"" } else { b"/" };
        Path::new([&self.0, slash, name].concat())
    }
}

/// As it may be shown: escaped.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.0))
    }
}

/// How the bytes of a file travel (RFC 959 section 3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// As text: line ends become CRLF on their way.
    Ascii,
    /// As they are.
    Image,
}

/// What we say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    AuthTls,
    /// Nothing is buffered by the protection itself (RFC 4217 section 8).
    ProtectionBuffer,
    ProtectPrivate,
    Host(String),
    User(String),
    Features,
    OptionUtf8,
    OptionHash(String),
    Type(Type),
    ExtendedPassive,
    Passive,
    Port(SocketAddr),
    ExtendedPort(SocketAddr),
    Restart(u64),
    Retrieve(Path),
    Store(Path),
    Append(Path),
    /// With `-a`, which shows hidden files on servers that hand it to `ls`.
    List(Option<Path>, bool),
    MachineList(Option<Path>),
    MachineFacts(Path),
    Size(Path),
    Modified(Path),
    SetModified(Moment, Path),
    /// A command of the old family (XCRC and so on), or HASH.
    Digest(&'static str, Path),
    WorkingFolder,
    ChangeFolder(Path),
    MakeFolder(Path),
    RemoveFolder(Path),
    Delete(Path),
    RenameFrom(Path),
    RenameTo(Path),
    Abort,
    Nothing,
    Quit,
}

impl Request {
    /// The line without its CRLF. A byte 255 is doubled, because the control connection is Telnet's
    /// (RFC 959 section 3.2, RFC 854).
    pub(crate) fn line(&self) -> Vec<u8> {
        let (start, path) = self.parts();
        let mut line = start.into_bytes();
        for byte in path.unwrap_or_default() {
            if *byte == 255 {
                line.push(255);
            }
            line.push(*byte);
        }
        line
    }

    /// The line's beginning, and the path behind it.
    fn parts(&self) -> (String, Option<&[u8]>) {
        use Request::*;
        let fixed = |text: &str| (text.to_owned(), None);
        let with = |verb: &str, path| (format!("{verb} "), Some(Path::as_bytes(path)));
        match self {
            AuthTls => fixed("AUTH TLS"),
            ProtectionBuffer => fixed("PBSZ 0"),
            ProtectPrivate => fixed("PROT P"),
            Host(name) => fixed(&format!("HOST {name}")),
            User(name) => fixed(&format!("USER {name}")),
            Features => fixed("FEAT"),
            OptionUtf8 => fixed("OPTS UTF8 ON"),
            OptionHash(algorithm) => fixed(&format!("OPTS HASH {algorithm}")),
            Type(self::Type::Ascii) => fixed("TYPE A"),
            Type(self::Type::Image) => fixed("TYPE I"),
            ExtendedPassive => fixed("EPSV"),
            Passive => fixed("PASV"),
            Port(address) => fixed(&port(*address)),
            ExtendedPort(address) => fixed(&extended_port(*address)),
            Restart(offset) => fixed(&format!("REST {offset}")),
            Retrieve(path) => with("RETR", path),
            Store(path) => with("STOR", path),
            Append(path) => with("APPE", path),
            List(None, false) => fixed("LIST"),
            List(None, true) => fixed("LIST -a"),
            List(Some(path), all) => {
                let options = if *all { "-a " } else { "" };
                // What begins with a hyphen would pass for options.
                let here = if path.0.starts_with(b"-") { "./" } else { "" };
                (format!("LIST {options}{here}"), Some(&path.0))
            }
            MachineList(None) => fixed("MLSD"),
            MachineList(Some(path)) => with("MLSD", path),
            MachineFacts(path) => with("MLST", path),
            Size(path) => with("SIZE", path),
            Modified(path) => with("MDTM", path),
            SetModified(moment, path) => (format!("MFMT {moment} "), Some(&path.0)),
            Digest(verb, path) => with(verb, path),
            WorkingFolder => fixed("PWD"),
            ChangeFolder(path) => with("CWD", path),
            MakeFolder(path) => with("MKD", path),
            RemoveFolder(path) => with("RMD", path),
            Delete(path) => with("DELE", path),
            RenameFrom(path) => with("RNFR", path),
            RenameTo(path) => with("RNTO", path),
            Abort => fixed("ABOR"),
            Nothing => fixed("NOOP"),
            Quit => fixed("QUIT"),
        }
    }
}

/// The line as it may be shown.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, path) = self.parts();
        f.write_str(&start)?;
        f.write_str(&escaped(path.unwrap_or_default()))
    }
}

/// `"PORT" SP h1,h2,h3,h4,p1,p2` (RFC 959 section 5.3.2)
fn port(address: SocketAddr) -> String {
    let [high, low] = address.port().to_be_bytes();
    let host = address.ip().to_canonical().to_string().replace('.', ",");
    format!("PORT {host},{high},{low}")
}

/// `"EPRT" SP "|" net-prt "|" net-addr "|" tcp-port "|"` (RFC 2428 section 2)
fn extended_port(address: SocketAddr) -> String {
    let host = address.ip().to_canonical();
    let family = if host.is_ipv4() { 1 } else { 2 };
    format!("EPRT |{family}|{host}|{}|", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::new(text).unwrap()
    }

    #[test]
    fn the_wire_forms_are_those_of_the_rfcs() {
        let v4: SocketAddr = "132.235.1.2:6275".parse().unwrap();
        let v6: SocketAddr = "[1080::8:800:200c:417a]:5282".parse().unwrap();
        let moment = Moment::parse(b"20020717210715").unwrap();
        for (request, line) in [
            (Request::AuthTls, "AUTH TLS"),
            (Request::ProtectionBuffer, "PBSZ 0"),
            (Request::ProtectPrivate, "PROT P"),
            (Request::Type(Type::Image), "TYPE I"),
            (Request::Port(v4), "PORT 132,235,1,2,24,131"),
            (Request::ExtendedPort(v4), "EPRT |1|132.235.1.2|6275|"),
            (
                Request::ExtendedPort(v6),
                "EPRT |2|1080::8:800:200c:417a|5282|",
            ),
            (Request::Restart(u64::MAX), "REST 18446744073709551615"),
            (Request::Retrieve(path(" a  b")), "RETR  a  b"),
            (Request::List(None, true), "LIST -a"),
            (Request::List(Some(path("-la")), false), "LIST ./-la"),
            (Request::List(Some(path("x")), true), "LIST -a x"),
            (Request::MachineList(Some(path("/"))), "MLSD /"),
            (
                Request::SetModified(moment, path("f")),
                "MFMT 20020717210715 f",
            ),
            (Request::Digest("XSHA256", path("f")), "XSHA256 f"),
        ] {
            assert_eq!(request.line(), line.as_bytes());
            assert_eq!(request.to_string(), line);
        }
    }

    #[test]
    fn a_byte_255_is_doubled_and_nothing_ends_a_line() {
        let odd = Path::new(*b"a\xff\xfeb").unwrap();
        assert_eq!(Request::Delete(odd.clone()).line(), b"DELE a\xff\xff\xfeb");
        assert_eq!(Request::Delete(odd).to_string(), "DELE a\\xff\\xfeb");
        for wrong in ["", "a\rb", "a\nDELE b", "a\0"] {
            assert!(Path::new(wrong).is_err(), "{wrong:?}");
        }
        assert!(path("a").join(b"b\n").is_err());
        assert_eq!(path("/").join(b"b").unwrap().as_bytes(), b"/b");
        assert_eq!(path("a").join(b"b").unwrap().as_bytes(), b"a/b");
    }
}
