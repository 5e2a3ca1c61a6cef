//! What the SMTP commands share: the way to a server that takes messages.

use proto_smtp::{is_host_name, Client, Extension, Preferences, Session, Target};
use proto_transport::{Connector, Result, Security};

use crate::cli::CommonArgs;
use crate::login::{is_private, login, secured, Login, UpgradeArgs};
use crate::report::{Record, Stage};

/// Options of all SMTP commands.
#[derive(clap::Args)]
#[command(next_help_heading = "SMTP")]
pub struct SmtpArgs {
    /// Our name in EHLO, instead of the address that we connect from
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub ehlo: Option<String>,
    /// Pass over this extension although it is offered (repeatable): CHUNKING, PIPELINING…
    #[arg(long, value_name = "EXTENSION", value_parser = extension)]
    pub without: Vec<Extension>,
    /// Use this extension although it is not offered (repeatable)
    #[arg(long, value_name = "EXTENSION", value_parser = extension)]
    pub assume: Vec<Extension>,
    #[command(flatten)]
    pub upgrade: UpgradeArgs,
}

fn host_name(text: &str) -> std::result::Result<String, String> {
    match is_host_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a name is printable ASCII without spaces".to_owned()),
    }
}

fn extension(text: &str) -> std::result::Result<Extension, String> {
    Extension::from_keyword(text).ok_or_else(|| {
        let all = Extension::ALL.map(Extension::keyword);
        format!("there are {}", all.join(", "))
    })
}

impl SmtpArgs {
    /// What is said and used of the protocol.
    pub fn preferences(&self) -> Preferences {
        Preferences {
            name: self.ehlo.clone(),
            without: self.without.clone(),
            assume: self.assume.clone(),
        }
    }
}

/// The way to one server.
pub struct Service {
    connector: Connector,
    target: Target,
    preferences: Preferences,
    login: Option<Login>,
    is_private: bool,
}

impl Service {
    /// The way to the server that `target` names, with the security that its use asks for.
    pub fn new(
        target: &Target,
        args: &SmtpArgs,
        common: &CommonArgs,
        connector: Connector,
    ) -> Result<Service> {
        let login = login(common, target.url(), &target.endpoint)?;
        // A wrong name is told before anybody is called.
        login.as_ref().map(Login::sasl).transpose()?;
        let upgrade = &args.upgrade;
        let endpoint = secured(
            &target.endpoint,
            common,
            upgrade,
            login.is_some(),
            &connector,
        )?;
        Ok(Service {
            is_private: is_private(&endpoint, common, &connector),
            connector,
            target: target.at(endpoint),
            preferences: args.preferences(),
            login,
        })
    }

    /// Whether the connection will be encrypted.
    pub fn is_secure(&self) -> bool {
        self.target.endpoint.security != Security::Plain
    }

    /// Whether there is somebody to log in as.
    pub fn logs_in(&self) -> bool {
        self.login.is_some()
    }

    /// Connects and hears the greeting.
    pub fn greet(&self, record: &mut Record) -> Result<Client> {
        record.stage = Stage::Greeting;
        let client = Client::connect(&self.connector, &self.target, &self.preferences)?;
        record.connected(client.connection().facts(), false);
        Ok(client)
    }

    /// Says hello in the clear, or under TLS if that began with the first byte.
    pub fn hello(&self, client: &mut Client, record: &mut Record) -> Result<()> {
        record.stage = Stage::Command;
        let may_fall_back = self.target.endpoint.security == Security::Plain && !self.logs_in();
        client.hello(may_fall_back)
    }

    /// Upgrades to TLS where that is asked for, and says hello again.
    pub fn upgrade(&self, client: Client, record: &mut Record) -> Result<Client> {
        if self.target.endpoint.security != Security::StartTls {
            return Ok(client);
        }
        record.stage = Stage::Tls;
        let mut client = client.start_tls()?;
        record.connected(client.connection().facts(), false);
        client.hello(false)?;
        Ok(client)
    }

    /// Logs in if there is somebody to log in as.
    pub fn log_in(&self, client: Client, record: &mut Record) -> Result<Session> {
        let Some(login) = &self.login else {
            return Ok(client.into_session());
        };
        record.stage = Stage::Auth;
        client.log_in(&login.credentials, login.sasl()?, self.is_private)
    }

    /// Connects, says hello and upgrades.
    pub fn reach(&self, record: &mut Record) -> Result<Client> {
        self.connector.once_more(|| {
            let mut client = self.greet(record)?;
            self.hello(&mut client, record)?;
            self.upgrade(client, record)
        })
    }

    /// All of it: a session that takes messages.
    pub fn open(&self, record: &mut Record) -> Result<Session> {
        let client = self.reach(record)?;
        let session = self.log_in(client, record)?;
        record.stage = Stage::Command;
        Ok(session)
    }
}
