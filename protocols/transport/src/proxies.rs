//! Which proxy serves which host: what the user or the environment says, and the exceptions.

use std::net::IpAddr;

use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::proxy::Proxy;

/// Which proxy serves which host.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For every scheme that has none of its own.
    pub all: Option<Proxy>,
    /// For URLs of the scheme `http`.
    pub http: Option<Proxy>,
    /// For URLs of the scheme `https`.
    pub https: Option<Proxy>,
    /// Hosts that are reached directly.
    pub except: NoProxy,
}

impl Proxies {
    /// What the environment says: `http_proxy` (in lower case only, because a CGI server sets the
    /// other from a request's header), `https_proxy`, `all_proxy` and `no_proxy`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Proxies> {
        let either = |name: &str| variable(name).or_else(|| variable(&name.to_uppercase()));
        let proxy = |text: Option<String>| {
            let text = text.filter(|text| !text.trim().is_empty());
            text.map(|text| Proxy::parse(&text)).transpose()
        };
        Ok(Proxies {
            all: proxy(either("all_proxy"))?,
            http: proxy(variable("http_proxy"))?,
            https: proxy(either("https_proxy"))?,
            except: NoProxy::parse(&either("no_proxy").unwrap_or_default()),
        })
    }

    /// The proxy on the way to an endpoint.
    pub fn choose(&self, target: &Endpoint) -> Option<&Proxy> {
        if self.except.contains(&target.host, target.port) {
            return None;
        }
        let own = match target.scheme.as_str() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        };
        own.or(self.all.as_ref())
    }
}

/// Hosts that are reached without a proxy.
///
/// Entries are separated by commas or spaces: `*` is every host; `example.com` and `.example.com`
/// are that domain and all below it; an address is itself; `10.0.0.0/8` is a network; each may end
/// in `:port`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy {
    entries: Vec<(Pattern, Option<u16>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Every,
    Domain(String),
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Reads the list; what is no entry is left out.
    pub fn parse(text: &str) -> NoProxy {
        NoProxy {
            entries: text
                .split([',', ' '])
                .filter(|entry| !entry.is_empty())
                .filter_map(parse_exception)
                .collect(),
        }
    }

    /// Whether a host is reached directly.
    pub fn contains(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host
            .parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical());
        self.entries.iter().any(|(pattern, wanted)| {
            wanted.is_none_or(|wanted| wanted == port)
                && match (pattern, address) {
                    (Pattern::Every, _) => true,
                    (Pattern::Network(network, bits), Some(address)) => {
                        is_within(address, *network, *bits)
                    }
                    (Pattern::Domain(domain), None) => host
                        .strip_suffix(domain.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                    _ => false,
                }
        })
    }
}

fn parse_exception(entry: &str) -> Option<(Pattern, Option<u16>)> {
    if let Some(pattern) = parse_pattern(entry) {
        return Some((pattern, None));
    }
    let (host, port) = entry.rsplit_once(':')?;
    Some((parse_pattern(host)?, Some(port.parse().ok()?)))
}

fn parse_pattern(text: &str) -> Option<Pattern> {
    if text == "*" {
        return Some(Pattern::Every);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let (address, bits) = match bare.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (bare, None),
    };
    if let Ok(address) = address.parse::<IpAddr>() {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok())?;
        return (bits <= width).then_some(Pattern::Network(address, bits));
    }
    let domain = text.trim_start_matches('.').trim_end_matches('.');
    let valid = !domain.is_empty() && !domain.contains([':', '/', '*']);
    valid.then(|| Pattern::Domain(domain.to_ascii_lowercase()))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let shift = width - bits.min(width);
        a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Security;

    fn endpoint(scheme: &str, host: &str, port: u16) -> Endpoint {
        Endpoint {
            scheme: scheme.into(),
            host: host.into(),
            port,
            security: Security::Plain,
        }
    }

    #[test]
    fn exceptions_match_as_documented() {
        let list =
            NoProxy::parse("example.com, .example.org:81,10.0.0.0/8,::1,192.0.2.7:80,fe80::/10");
        for (host, port, direct) in [
            ("example.com", 1, true),
            ("EXAMPLE.com.", 1, true),
            ("www.example.com", 1, true),
            ("notexample.com", 1, false),
            ("example.com.evil", 1, false),
            ("example.org", 81, true),
            ("example.org", 80, false),
            ("10.255.0.1", 1, true),
            ("::ffff:10.0.0.1", 1, true),
            ("11.0.0.1", 1, false),
            ("::1", 1, true),
            ("::2", 1, false),
            ("192.0.2.7", 80, true),
            ("192.0.2.7", 81, false),
            ("febf::1", 1, true),
        ] {
            assert_eq!(list.contains(host, port), direct, "{host}:{port}");
        }
        assert!(NoProxy::parse("*").contains("anything", 1));
        assert!(NoProxy::parse("0.0.0.0/0").contains("1.2.3.4", 1));
        assert!(!NoProxy::parse("1.2.3.4/99,/,:").contains("1.2.3.4", 1));
        assert!(!NoProxy::default().contains("localhost", 1));
    }

    #[test]
    fn the_environment_chooses_by_scheme() {
        let environment = |name: &str| match name {
            "http_proxy" => Some("http://plain:3128".to_owned()),
            "HTTP_PROXY" => Some("http://attacker".to_owned()),
            "HTTPS_PROXY" => Some("secure:3129".to_owned()),
            "all_proxy" => Some("socks5h://rest".to_owned()),
            "no_proxy" => Some("near.example".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_environment(environment).unwrap();
        let chosen = |scheme: &str, host: &str| {
            let proxy = proxies.choose(&endpoint(scheme, host, 1));
            proxy.map(Proxy::to_string)
        };
        assert_eq!(chosen("http", "a").unwrap(), "http://plain:3128");
        assert_eq!(chosen("https", "a").unwrap(), "http://secure:3129");
        assert_eq!(chosen("imap", "a").unwrap(), "socks5h://rest:1080");
        assert_eq!(chosen("http", "near.example"), None);
        let only = |name: &str| (name == "HTTP_PROXY").then(|| "http://attacker".to_owned());
        assert!(Proxies::from_environment(only).unwrap().http.is_none());
    }
}
