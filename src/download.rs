//! What the HTTP commands share: requests from options, credentials, retries, and what goes into
//! the report.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use proto_http::{
    retry_after, Authorizer, Client, Credentials as Proof, Hop, Mechanism, Method, Redirects,
    Request, Response, Target, ACCEPT_ENCODING,
};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Connector, Error, Refusal, Result, Secret, Url};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::credentials::Credentials;
use crate::report::{Record, Stage};

/// Options of all HTTP commands.
#[derive(clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Add a header field (repeatable)
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// Redirects to follow; 0 shows them instead
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max_redirects: usize,
    /// Ask for no content coding and keep the bytes as they come
    #[arg(long)]
    pub raw: bool,
}

/// What the names of fields say whose values are secrets: Authorization, Cookie, X-Api-Key.
const SECRET_WORDS: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

/// Whether the value of a field that the user sets is a secret.
pub fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

impl HttpArgs {
    /// A request for a URL, with the fields that the user wants.
    pub fn request(&self, method: Method, url: &Url) -> Result<Request> {
        let mut request = Request::new(method, Target::from_url(url)?);
        for (name, value) in &self.header {
            if name.eq_ignore_ascii_case("range") {
                return Err(Error::illegal(
                    "a part of a file cannot be asked for by --header; see --continue",
                ));
            }
            if name.eq_ignore_ascii_case("Authorization") {
                request.authorize(Secret::from(value.as_str()))?;
            } else if is_secret_field(name) {
                request.secret_field(name, "", Secret::from(value.as_str()))?;
            } else {
                request.field(name, value)?;
            }
        }
        for (name, value) in [("User-Agent", USER_AGENT), ("Accept", "*/*")] {
            if !request.has_field(name) {
                request.field(name, value)?;
            }
        }
        Ok(request)
    }

    /// Which redirects are followed.
    pub fn redirects(&self, common: &CommonArgs) -> Redirects {
        Redirects {
            limit: self.max_redirects,
            may_downgrade: common.tls.plain,
        }
    }

    /// Which content codings are asked for.
    pub fn accept_encoding(&self) -> &'static str {
        match self.raw {
            true => "identity",
            false => ACCEPT_ENCODING,
        }
    }
}

const USER_AGENT: &str = concat!("proto/", env!("CARGO_PKG_VERSION"));

fn header(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// A client that logs in as the user wants, at the services of `named` and, by `.netrc` alone, at
/// those that redirects lead to.
pub fn client(
    connector: Connector,
    common: &CommonArgs,
    credentials: Arc<Credentials>,
    named: Arc<[Url]>,
) -> Result<Client> {
    if !common.looking.quiet {
        credentials.warn_of_passwords_in(&named);
    }
    let mut client = Client::new(connector.clone());
    let mechanism = credentials
        .mechanism()
        .map(Mechanism::from_name)
        .transpose()?;
    let source = move |target: &Target| proof(&credentials, &named, target);
    let mut authorizer = Authorizer::new(Box::new(source));
    authorizer.may_send_in_clear = common.tls.plain;
    authorizer.is_private = Box::new(move |endpoint| connector.is_private(endpoint));
    authorizer.mechanism = mechanism;
    client.log_in_with(authorizer);
    Ok(client)
}

fn proof(credentials: &Credentials, named: &[Url], target: &Target) -> Result<Option<Proof>> {
    let endpoint = &target.endpoint;
    let user = target.url().username();
    let here = |url: &&Url| Target::from_url(url).is_ok_and(|named| named.endpoint == *endpoint);
    // A redirect that comes back to an origin has lost its user on the way.
    let url = named
        .iter()
        .filter(here)
        .find(|url| url.username() == user)
        .or_else(|| named.iter().find(|url| user.is_empty() && here(url)));
    let first_user = || {
        let mut users = named.iter().map(Url::username);
        users.find(|user| !user.is_empty())
    };
    let login = match url {
        Some(url) => match credentials.token()? {
            Some(token) => return Ok(Some(Proof::Token(token))),
            None => credentials.for_target(url, endpoint, first_user())?,
        },
        None => credentials.for_host(endpoint),
    };
    Ok(login.map(|(user, password)| Proof::Password(user, password)))
}

/// The first pause before another try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// No pause is longer, whatever the server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// One of several tries.
#[derive(Default)]
pub struct Try {
    /// How many there were before.
    pub number: u32,
    /// How long the server wants to be left alone before the next one.
    pub pause: Option<Duration>,
    /// Whether bytes went where they cannot be taken back, so that there can be no next one.
    pub is_last: bool,
    /// Whether the cause of a failure is gone already, so that another try makes sense at once.
    pub may_repeat_at_once: bool,
    /// Whether what is left of an earlier try is of no use.
    pub starts_anew: bool,
}

/// Tries until it works, fails for good, or `--retry` is used up. `say` tells of each further try.
pub fn retrying<T>(
    common: &CommonArgs,
    say: impl Fn(&str),
    mut attempt: impl FnMut(&mut Try) -> Result<T>,
) -> Result<T> {
    let mut this = Try::default();
    loop {
        let result = attempt(&mut this);
        let error = match result {
            Err(error) if error.is_transient() && !this.is_last => error,
            result => return result,
        };
        let number = this.number;
        let pause = this.pause.take();
        let pause = pause.unwrap_or(FIRST_PAUSE * 2_u32.saturating_pow(number));
        let pause = pause.min(LONGEST_PAUSE);
        let end = Instant::now().checked_add(pause);
        let too_late = common
            .deadline()
            .is_some_and(|deadline| end.is_none_or(|end| end >= deadline));
        if number >= common.connection.retry || too_late {
            return Err(error);
        }
        if !common.looking.quiet {
            let seconds = pause.as_secs_f64();
            say(&format!("proto: {error}; trying again in {seconds:.1} s"));
        }
        thread::sleep(pause);
        this.number += 1;
    }
}

/// The error that a status of 400 or more is.
pub fn refusal(response: &Response<'_>) -> Option<Error> {
    let refusal = response.head().refusal()?;
    Some(refused(response, refusal))
}

/// The error of a response that is a no.
pub fn refused(response: &Response<'_>, refusal: Refusal) -> Error {
    let head = response.head();
    Error::Refused {
        peer: response.facts().peer.clone(),
        doing: format!("asking for {}", without_password(response.url())),
        reply: format!("{} {}", head.status, escaped(&head.reason)),
        refusal,
    }
}

/// How long the server wants to be left alone.
pub fn pause_wanted(response: &Response<'_>) -> Option<Duration> {
    let value = response.head().fields.get("Retry-After")?;
    retry_after(value, SystemTime::now())
}

/// Notes the response's head and how it came.
pub fn note_response(record: &mut Record, response: &Response<'_>, hops: &[Hop]) {
    record.stage = Stage::Command;
    record.connected(response.facts(), response.exchanged().reused);
    record.time("first_byte", response.exchanged().first_byte);
    let redirects: Vec<_> = hops
        .iter()
        .map(|hop| json!({ "url": without_password(&hop.url), "status": hop.status }))
        .collect();
    record.items = vec![json!({
        "url": without_password(response.url()),
        "status": response.head().status,
        "redirects": redirects,
        "reused_connection": response.exchanged().reused,
    })];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_split_at_the_first_colon() {
        assert_eq!(header("A: b:c"), Ok(("A".to_owned(), "b:c".to_owned())));
        assert!(header("A").is_err());
    }
}
