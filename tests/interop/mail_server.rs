//! A Postfix that delivers by LMTP to a Dovecot, both in a folder and on ports of their own.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{chown, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::process::{kill_process, Pid, Signal};

use super::{free_ports, id, program, samples, skipped, wait_for};
use crate::harness::{authority, command, folder, repository, Run, Running};

/// The two servers and the mail that they keep.
pub struct MailServer {
    /// Where both listen.
    pub ports: Ports,
    programs: Programs,
    _dovecot: Dovecot,
    // The last to go.
    folder: tempfile::TempDir,
}

/// Where they listen.
#[derive(Clone, Copy)]
pub struct Ports {
    /// In the clear, with STARTTLS for those who want it.
    pub smtp: u16,
    /// The same with a log of its own, see [`MailServer::connections`].
    pub counted: u16,
    /// STARTTLS and logging in are demanded.
    pub submission: u16,
    /// In the clear, and what comes here is changed on its way: see [`BODY_CHECKS`].
    pub altering: u16,
    /// TLS from the first byte.
    pub smtps: u16,
    /// The same with a certificate that has expired.
    pub expired: u16,
    /// Dovecot's LMTP.
    pub lmtp: u16,
    /// Dovecot's POP3 in the clear, with STLS for those who want it.
    pub pop3: u16,
    /// The same with TLS from the first byte.
    pub pop3s: u16,
    /// Dovecot's IMAP in the clear, with STARTTLS for those who want it.
    pub imap: u16,
    /// The same with TLS from the first byte.
    pub imaps: u16,
}

#[derive(Clone)]
struct Programs {
    postfix: PathBuf,
    postsuper: PathBuf,
    dovecot: PathBuf,
}

/// Whose mail is taken. Each test has its own, so that none sees another's mail.
const USERS: [&str; 40] = [
    "checked",
    "check-troubled",
    "ways",
    "parts",
    "reports",
    "sender",
    "first",
    "second",
    "wrong",
    "chunks",
    "large",
    "many",
    "unsecured",
    "direct",
    "socket",
    "full",
    "δοκιμή",
    "jalapeño",
    "eight",
    "pop-ways",
    "pop-wrong",
    "pop-many",
    "pop-bytes",
    "pop-delete",
    "pop-large",
    "pop-killed",
    "pop-full",
    "fetch-many",
    "fetch-bytes",
    "fetch-large",
    "fetch-flags",
    "fetch-killed",
    "fetch-anew",
    "watched",
    "imap-ways",
    "imap-list",
    "imap-search",
    "imap-append",
    "imap-flag",
    "imap-move",
];

/// Recipients that virtual(8) delivers to: Dovecot's LMTP does not know SMTPUTF8.
const UTF_8: [&str; 3] = ["δοκιμή", "jalapeño", "utf-8-header"];

/// The owner of all mail; nobody needs to be called so.
const OWNER: u32 = 5000;

/// Messages that are lost, and that stay until they are released.
const HEADER_CHECKS: &str = "/^Subject: to be lost/ DISCARD\n/^Subject: to be held/ HOLD\n";

/// What happens to messages that come to one port.
const BODY_CHECKS: &str = "/^From the/ REPLACE >From the beginning of a line\n";

/// How many messages were put into mail boxes, for their names.
static PUT: AtomicUsize = AtomicUsize::new(0);

/// The one that runs, for as long as some test has it.
static SHARED: Mutex<Weak<MailServer>> = Mutex::new(Weak::new());

impl MailServer {
    /// The servers that other tests have started, or new ones. They stop when the last test that
    /// has them is over, however it ends.
    pub fn shared() -> Option<Arc<MailServer>> {
        // Also after a test that failed here.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(MailServer::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    fn start() -> Option<MailServer> {
        let programs = Programs {
            postfix: program("postfix", "postfix")?,
            postsuper: program("postsuper", "postfix")?,
            dovecot: program("dovecot", "dovecot-core")?,
        };
        for (part, package) in [
            ("lmtp", "dovecot-lmtpd"),
            ("pop3", "dovecot-pop3d"),
            ("imap", "dovecot-imapd"),
        ] {
            if !Path::new("/usr/lib/dovecot").join(part).exists() {
                skipped(&format!(
                    "Dovecot's {part} is not installed (Debian: apt-get install {package})"
                ));
                return None;
            }
        }
        if id(&["-u"]) != 0 {
            skipped("Postfix and Dovecot can be started by root alone");
            return None;
        }
        // Another process may take a port between the choice and the start.
        let mut why = String::new();
        for _ in 0..5 {
            match MailServer::try_start(&programs) {
                Ok(server) => return Some(server),
                Err(said) => why = said,
            }
        }
        panic!("the mail servers do not start: {why}");
    }

    /// What they said, if they do not start.
    fn try_start(programs: &Programs) -> Result<MailServer, String> {
        let folder = folder();
        let path = folder.path();
        // The servers' own users must get through.
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        for name in ["etc", "queue", "data", "mail", "run", "state"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        chown(path.join("data"), Some(id(&["-u", "postfix"])), None).unwrap();
        chown(path.join("mail"), Some(OWNER), Some(OWNER)).unwrap();
        let [smtp, counted, submission, altering, smtps, expired, lmtp, pop3, pop3s, imap, imaps] =
            free_ports();
        let ports = Ports {
            smtp,
            counted,
            submission,
            altering,
            smtps,
            expired,
            lmtp,
            pop3,
            pop3s,
            imap,
            imaps,
        };
        configure(path, &ports);
        let dovecot = Dovecot::start(path, programs)?;
        let server = MailServer {
            ports,
            programs: programs.clone(),
            _dovecot: dovecot,
            folder,
        };
        match server.postfix("start") {
            true => Ok(server),
            false => Err(server.log() + &fs::read_to_string(server.path("said")).unwrap()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether Postfix does as it is told.
    fn postfix(&self, verb: &str) -> bool {
        let said = File::options()
            .create(true)
            .append(true)
            .open(self.path("said"))
            .unwrap();
        // A file, and no pipe: what is started would keep it open.
        let status = Command::new(&self.programs.postfix)
            .arg("-c")
            .arg(self.path("etc"))
            .arg(verb)
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .status();
        status.unwrap().success()
    }

    /// Lets go what Postfix holds, as soon as there is something.
    pub fn release(&self) {
        wait_for("a message that is held", || {
            let output = Command::new(&self.programs.postsuper)
                .arg("-c")
                .arg(self.path("etc"))
                .args(["-H", "ALL"])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            said.contains("Released from hold: 1").then_some(())
        });
        // It is put back as what is to be tried later.
        assert!(self.postfix("flush"));
    }

    /// The socket of Dovecot's LMTP.
    pub fn socket(&self) -> String {
        self.path("run/lmtp").to_str().unwrap().to_owned()
    }

    /// What Postfix has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("maillog")).unwrap_or_default()
    }

    /// What Dovecot has logged so far.
    pub fn dovecot_log(&self) -> String {
        fs::read_to_string(self.path("dovecot.log")).unwrap_or_default()
    }

    /// How many connections came to the port that counts them.
    pub fn connections(&self) -> usize {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains("/counted/smtpd["));
        lines.filter(|line| line.contains(": connect from")).count()
    }

    /// Runs `proto` with the password and the authority that the servers go by.
    pub fn proto(&self, arguments: &[&str]) -> Run {
        let mut command = command(arguments);
        command.args(["--ca", &authority()]);
        command.env("PROTO_PASSWORD", "secret");
        command.output().unwrap().into()
    }

    /// Where somebody's mail is.
    pub fn home(&self, user: &str) -> PathBuf {
        self.path("mail").join(user)
    }

    /// Puts messages into somebody's mail box, as another program would that delivers.
    pub fn put(&self, user: &str, messages: impl IntoIterator<Item = Vec<u8>>) {
        let home = self.path("mail").join(user);
        let maildir = home.join("Maildir");
        let folders = ["cur", "new", "tmp"].map(|name| maildir.join(name));
        for folder in [&home, &maildir].into_iter().chain(&folders) {
            if !folder.is_dir() {
                fs::create_dir(folder).unwrap();
                chown(folder, Some(OWNER), Some(OWNER)).unwrap();
            }
        }
        for message in messages {
            let number = PUT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{number:09}.put");
            let temporary = maildir.join("tmp").join(&name);
            fs::write(&temporary, message).unwrap();
            chown(&temporary, Some(OWNER), Some(OWNER)).unwrap();
            fs::rename(temporary, maildir.join("cur").join(name + ":2,")).unwrap();
        }
    }

    /// Makes Dovecot give all messages of somebody other UIDs.
    pub fn forget_uids(&self, user: &str) {
        let maildir = self.path("mail").join(user).join("Maildir");
        // UIDVALIDITY is in seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        for entry in fs::read_dir(maildir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("dovecot") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    /// How many messages are in somebody's mail box, seen or not.
    pub fn count(&self, user: &str) -> usize {
        let maildir = self.path("mail").join(user).join("Maildir");
        let folders = ["cur", "new"].map(|name| fs::read_dir(maildir.join(name)).unwrap());
        folders.into_iter().map(Iterator::count).sum()
    }

    /// The messages in somebody's mail box.
    pub fn mailbox(&self, user: &str) -> Vec<Vec<u8>> {
        let new = self.path("mail").join(user).join("Maildir/new");
        let Ok(entries) = fs::read_dir(new) else {
            return Vec::new();
        };
        let files = entries.map(|entry| entry.unwrap().path());
        files.map(|file| fs::read(file).unwrap()).collect()
    }

    /// The messages in somebody's mail box, as soon as there are so many.
    #[track_caller]
    pub fn arrived(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let messages = wait_for(&format!("{count} messages for {user}"), || {
            Some(self.mailbox(user)).filter(|messages| messages.len() >= count)
        });
        assert_eq!(messages.len(), count, "{user}");
        messages
    }

    /// The one message that somebody has.
    #[track_caller]
    pub fn message(&self, user: &str) -> Vec<u8> {
        self.arrived(user, 1).remove(0)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        if !self.postfix("stop") {
            // One that never started has nothing to stop; one that does not stop must.
            self.postfix("abort");
        }
    }
}

/// A running Dovecot, which ends its own processes when it is asked to end, and only then.
struct Dovecot(Running);

impl Dovecot {
    fn start(path: &Path, programs: &Programs) -> Result<Dovecot, String> {
        let said = File::create(path.join("said")).unwrap();
        let process = Command::new(&programs.dovecot)
            .args(["-F", "-c"])
            .arg(path.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn();
        let mut dovecot = Dovecot(Running(process.unwrap()));
        let read = |name| fs::read_to_string(path.join(name)).unwrap_or_default();
        let ended = wait_for("Dovecot", || {
            let ended = dovecot.0 .0.try_wait().unwrap();
            let is_up = || read("dovecot.log").contains("starting up");
            ended.map(Some).or_else(|| is_up().then_some(None))
        });
        match ended {
            None => Ok(dovecot),
            Some(status) => Err(format!("{status}: {}{}", read("said"), read("dovecot.log"))),
        }
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let process = &mut self.0 .0;
        // The number of one that has ended may be another's by now.
        let runs = matches!(process.try_wait(), Ok(None));
        if runs && kill_process(Pid::from_child(process), Signal::TERM).is_ok() {
            let _ = process.wait();
        }
    }
}

/// Writes all that the servers read.
fn configure(path: &Path, ports: &Ports) {
    let write = |name: &str, text: String| fs::write(path.join(name), text).unwrap();
    write("etc/main.cf", main_cf(path));
    write("etc/master.cf", master_cf(ports));
    write("etc/header_checks", HEADER_CHECKS.to_owned());
    write("etc/body_checks", BODY_CHECKS.to_owned());
    write("dovecot.conf", dovecot_conf(path, ports));
    let users = || USERS.map(str::to_owned).into_iter().chain(samples());
    // Each sample goes to somebody of its name.
    let mailboxes = users().map(|user| format!("{user}@localhost {user}/Maildir/\n"));
    write("etc/mailboxes", mailboxes.collect());
    let transport = UTF_8.map(|user| format!("{user}@localhost virtual:\n"));
    write("etc/transport", transport.concat());
    let passwords = users().map(|user| {
        let quota = match user.as_str() {
            "full" => "userdb_quota_rule=*:bytes=10",
            _ => "",
        };
        let home = path.join("mail").join(&user);
        format!(
            "{user}:{{PLAIN}}secret:{OWNER}:{OWNER}::{}::{quota}\n",
            home.display()
        )
    });
    write("users", passwords.collect());
}

fn main_cf(path: &Path) -> String {
    let (path, certificates) = (path.display(), repository().join("samples/certificates"));
    let certificates = certificates.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {path}/queue
data_directory = {path}/data
maillog_file = {path}/maillog
maillog_file_prefixes = {path}
myhostname = mail.test
mydestination =
inet_interfaces = 127.0.0.1
mynetworks =
alias_maps =
alias_database =
biff = no
message_size_limit = 100000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
# Messages are to arrive as they were sent.
local_header_rewrite_clients =
lmtp_line_length_limit = 0
# Clients make errors and connections on purpose.
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_helo_required = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificates}/localhost.crt
smtpd_tls_key_file = {certificates}/localhost.key
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {path}/run/postfix-auth
smtpd_sasl_security_options = noanonymous
smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
virtual_mailbox_domains = localhost
virtual_mailbox_maps = texthash:{path}/etc/mailboxes
virtual_mailbox_base = {path}/mail
virtual_uid_maps = static:{OWNER}
virtual_gid_maps = static:{OWNER}
virtual_transport = lmtp:unix:{path}/run/lmtp
header_checks = regexp:{path}/etc/header_checks
transport_maps = texthash:{path}/etc/transport
default_transport = error:there is no network here
"
    )
}

fn master_cf(ports: &Ports) -> String {
    let Ports {
        smtp,
        counted,
        submission,
        altering,
        smtps,
        expired,
        ..
    } = ports;
    let certificates = repository().join("samples/certificates");
    let certificates = certificates.display();
    format!(
        "{smtp} inet n - n - - smtpd
{counted} inet n - n - - smtpd
  -o syslog_name=postfix/counted
{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
{altering} inet n - n - - smtpd
  -o cleanup_service_name=altering
{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
{expired} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_tls_cert_file={certificates}/expired.crt
  -o smtpd_tls_key_file={certificates}/expired.key
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
altering unix n - n - 0 cleanup
  -o body_checks=regexp:$config_directory/body_checks
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"
    )
}

fn dovecot_conf(path: &Path, ports: &Ports) -> String {
    let Ports {
        lmtp,
        pop3,
        pop3s,
        imap,
        imaps,
        ..
    } = ports;
    let certificates = repository().join("samples/certificates");
    let (path, certificates) = (path.display(), certificates.display());
    format!(
        "base_dir = {path}/run
state_dir = {path}/state
log_path = {path}/dovecot.log
auth_verbose = yes
protocols = lmtp pop3 imap
ssl = yes
ssl_cert = <{certificates}/localhost.crt
ssl_key = <{certificates}/localhost.key
disable_plaintext_auth = no
auth_username_format = %Ln
auth_mechanisms = plain login cram-md5 apop scram-sha-1 scram-sha-256
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {path}/users
}}
userdb {{
  driver = passwd-file
  args = {path}/users
}}
first_valid_uid = {OWNER}
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 0
mail_plugins = quota
plugin {{
  quota = count:User quota
  quota_vsizes = yes
}}
# Nobody waits because another has mistaken the password.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
protocol lmtp {{
  ssl = no
}}
service pop3-login {{
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    address = 127.0.0.1
    port = {pop3s}
  }}
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    user = postfix
    mode = 0600
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service auth {{
  unix_listener postfix-auth {{
    user = postfix
    mode = 0600
  }}
}}
"
    )
}
