//! Which addresses may be called: public ones, and the private ones the owner has listed.
//!
//! In: URLs, resolved addresses, the owner's list. Out: a target that may be called, or the sentence that says
//! which line of the configuration would allow it.
//! Never: trusts a name. An address literal is checked in the URL, a name where it is resolved, so that what is
//! checked is what is connected.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use url::{Host, Url};

/// One line of `allow_private`: a host or a range of addresses, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    place: Place,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Name(String),
    Net(IpAddr, u8),
}

/// Reads one line of `allow_private`: `127.0.0.1:8080`, `localhost:3000`, `10.0.0.5`, `192.168.1.0/24`, `[::1]:8080`.
///
/// # Errors
/// A sentence that says what is wrong and shows the accepted forms.
pub fn parse_allow(text: &str) -> Result<Allow, String> {
    let text = text.trim();
    let wrong = |why: &str| {
        format!(
            "\"{text}\" is not a host or an address: {why}. Write for example \"127.0.0.1:8080\", \"localhost:3000\", \
             \"10.0.0.5\" or \"192.168.1.0/24\"."
        )
    };
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(wrong("it is empty or has a space in it"));
    }
    if text.contains("://") {
        return Err(wrong("only the host and the port belong here, not a whole web address"));
    }
    if let Some((ip, prefix)) = text.split_once('/') {
        let ip = parse_ip(ip).ok_or_else(|| wrong("before the / stands an address"))?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong("after the / stands a number of bits, such as 24"))?;
        let (least, most) = if ip.is_ipv4() { (8, 32) } else { (7, 128) };
        if prefix < least || prefix > most {
            return Err(wrong(&format!("after the / stands a number from {least} to {most}")));
        }
        return Ok(Allow { place: Place::Net(ip, prefix), port: None });
    }
    if let Some(ip) = parse_ip(text) {
        return Ok(Allow { place: whole(ip), port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => {
            let port: u16 = port.parse().ok().filter(|p| *p > 0).ok_or_else(|| wrong("after the : stands a port, 1 to 65535"))?;
            (host, Some(port))
        }
        None => (text, None),
    };
    match Host::parse(host) {
        Ok(Host::Ipv4(ip)) => Ok(Allow { place: whole(ip.into()), port }),
        Ok(Host::Ipv6(ip)) => Ok(Allow { place: whole(ip.into()), port }),
        Ok(Host::Domain(name)) => Ok(Allow { place: Place::Name(bare(&name)), port }),
        Err(_) => Err(wrong("no host is written like this")),
    }
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).parse().ok()
}

fn whole(ip: IpAddr) -> Place {
    Place::Net(ip, if ip.is_ipv4() { 32 } else { 128 })
}

/// A host name without case and without the dot that ends a full name.
fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Allow {
    fn covers_ip(&self, ip: IpAddr, port: Option<u16>) -> bool {
        let Place::Net(net, prefix) = self.place else { return false };
        (self.port.is_none() || self.port == port)
            && match (net.to_canonical(), ip.to_canonical()) {
                (IpAddr::V4(net), IpAddr::V4(ip)) => same_start(net.to_bits().into(), ip.to_bits().into(), 32, prefix),
                (IpAddr::V6(net), IpAddr::V6(ip)) => same_start(net.to_bits(), ip.to_bits(), 128, prefix),
                _ => false,
            }
    }

    fn covers_name(&self, name: &str, port: u16) -> bool {
        matches!(&self.place, Place::Name(n) if *n == bare(name)) && self.port.is_none_or(|p| p == port)
    }
}

fn same_start(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let rest = width.saturating_sub(u32::from(prefix));
    rest >= width || (a >> rest) == (b >> rest)
}

/// Whether an address belongs to the public internet. Everything that is not known to is private.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => public_v4(ip),
        IpAddr::V6(ip) => public_v6(ip),
    }
}

fn public_v4(ip: Ipv4Addr) -> bool {
    // Azure's host answers at a public-looking address: it hands out a machine's credentials.
    const WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    !matches!(
        ip.octets(),
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [224..=255, ..]
    ) && ip != WIRE_SERVER
}

fn public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let embedded = |high: u16, low: u16| public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        // NAT64 and 6to4 carry an IPv4 address inside, and that is where the packets go.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarking, ORCHID; documentation twice.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Our own rules forbid it; the sentence names the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

/// A host and port that one request may reach, as far as the URL tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// The owner listed the name itself: whatever it resolves to is meant.
    listed: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

tokio::task_local! {
    /// The target of the request in progress: the resolver is asked for a name and must know the port.
    pub(super) static TARGET: Target;
}

/// Checks all that a URL says by itself: scheme, no password, host, address literals.
pub(super) fn check_url(url: &Url, allow: &[Allow]) -> Result<Target, Refused> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused(format!(
            "\"{}:\" addresses are not called, only http and https. Write an address that starts with https://.",
            url.scheme()
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused(
            "An address with a name or password before the @ is not called. Take that part out of the address.".into(),
        ));
    }
    let port = url.port_or_known_default().filter(|p| *p > 0);
    let (Some(host), Some(port)) = (url.host(), port) else {
        return Err(Refused("The address names no host to call. Write it as https://host/path.".into()));
    };
    let shown = host.to_string();
    let ip: IpAddr = match host {
        Host::Domain(name) => {
            let listed = allow.iter().any(|a| a.covers_name(name, port));
            return Ok(Target { host: bare(name), port, listed });
        }
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
    };
    let target = Target { host: shown, port, listed: false };
    if may_connect(ip, Some(port), allow) { Ok(target) } else { Err(private(&target, ip)) }
}

fn may_connect(ip: IpAddr, port: Option<u16>, allow: &[Allow]) -> bool {
    is_public(ip) || allow.iter().any(|a| a.covers_ip(ip, port))
}

fn private(target: &Target, ip: IpAddr) -> Refused {
    let leads = if parse_ip(&target.host).is_some() { String::new() } else { format!(" ({ip})") };
    Refused(format!(
        "{target}{leads} is not on the public internet, and Beffroi calls no private address by itself. If you mean it, write \
         allow_private = [\"{target}\"] under [limits] in the configuration."
    ))
}

/// The owner's list as shared with the resolver; it changes on reload.
pub(super) type SharedAllow = Arc<RwLock<Arc<[Allow]>>>;

/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// The system's own way to find addresses.
pub(super) fn system() -> Lookup {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) }))
}

/// Resolves names and leaves out every address that may not be connected. What it gives is what is connected: nothing asks a
/// second time in between.
pub(super) struct Guard {
    pub(super) allow: SharedAllow,
    pub(super) lookup: Lookup,
}

impl reqwest::dns::Resolve for Guard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let name = name.as_str().to_owned();
        let allow = self.allow.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Without a target (a connection finished in the background) only rules for any port apply.
        let target = TARGET.try_with(Target::clone).ok();
        let found = (self.lookup)(name.clone());
        Box::pin(async move {
            let found = found.await?;
            Ok(Box::new(filter(&name, found, target.as_ref(), &allow)?.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

fn filter(name: &str, found: Vec<SocketAddr>, target: Option<&Target>, allow: &[Allow]) -> Result<Vec<SocketAddr>, Refused> {
    let listed = target.is_some_and(|t| t.listed);
    let port = target.map(|t| t.port);
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| listed || may_connect(a.ip(), port, allow));
    match bad.first() {
        Some(bad) if good.is_empty() => {
            let unnamed = Target { host: name.to_owned(), port: port.unwrap_or_default(), listed: false };
            Err(private(target.unwrap_or(&unnamed), bad.ip()))
        }
        _ => Ok(good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(url: &str, allow: &[&str]) -> Result<Target, Refused> {
        let allow: Vec<Allow> = allow.iter().map(|a| parse_allow(a).expect("a rule")).collect();
        check_url(&Url::parse(url).expect("a URL"), &allow)
    }

    #[test]
    fn every_disguise_of_a_private_address_is_refused() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://①②⑦.0.0.1/",
            "http://0.0.0.0/",
            "http://0/",
            "http://10.1.2.3/",
            "http://172.31.255.255/",
            "http://192.168.0.1/",
            "http://100.64.0.1/",
            "http://100.100.100.200/latest/meta-data",
            "http://169.254.169.254/latest/meta-data",
            "http://168.63.129.16/",
            "http://192.0.0.192/",
            "http://198.18.0.1/",
            "http://255.255.255.255/",
            "http://224.0.0.1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:0:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fec0::1]/",
            "http://[fd00:ec2::254]/",
            "http://[ff02::1]/",
            "http://[2001:db8::1]/",
            "https://user@example.com/",
            "https://user:pw@example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "javascript:alert(1)",
            "data:text/plain,x",
        ] {
            assert!(check(url, &[]).is_err(), "{url} was let through");
        }
        for url in ["https://example.com/", "http://93.184.216.34:8080/", "http://[2606:4700::1]/", "http://[64:ff9b::808:808]/"]
        {
            assert!(check(url, &[]).is_ok(), "{url} was refused");
        }
    }

    #[test]
    fn the_refusal_names_the_line_that_allows_it() {
        let refused = check("http://127.1:8080/x", &[]).expect_err("private");
        assert!(refused.0.contains("allow_private = [\"127.0.0.1:8080\"] under [limits]"), "{refused}");
        let refused = check("http://[::1]:8080/x", &[]).expect_err("private");
        assert!(refused.0.contains("allow_private = [\"[::1]:8080\"]"), "{refused}");
        assert!(check("http://[::1]:8080/x", &["[::1]:8080"]).is_ok());
    }

    #[test]
    fn a_rule_allows_what_it_says_and_nothing_else() {
        assert!(check("http://127.0.0.1:8080/", &["127.0.0.1:8080"]).is_ok());
        assert!(check("http://[::ffff:127.0.0.1]:8080/", &["127.0.0.1:8080"]).is_ok());
        assert!(check("http://127.0.0.1:8081/", &["127.0.0.1:8080"]).is_err());
        assert!(check("http://127.0.0.2:8080/", &["127.0.0.1:8080"]).is_err());
        assert!(check("http://10.0.0.5:9/", &["10.0.0.5"]).is_ok());
        assert!(check("http://192.168.1.77/", &["192.168.1.0/24"]).is_ok());
        assert!(check("http://192.168.2.77/", &["192.168.1.0/24"]).is_err());
        assert!(check("http://[fd12::9]/", &["fd00::/8"]).is_ok());
        assert!(check("http://LOCALHOST.:3000/", &["localhost:3000"]).expect("listed").listed);
        assert!(!check("http://localhost:3001/", &["localhost:3000"]).expect("a name is checked when resolved").listed);
    }

    #[test]
    fn a_name_is_judged_by_where_it_leads() {
        let target = check("http://nas.example:80/", &[]).expect("a name");
        let addr = |text: &str| vec![SocketAddr::new(text.parse().expect("an address"), 0)];
        let both = [addr("10.0.0.1"), addr("8.8.8.8")].concat();
        assert_eq!(filter("nas.example", both, Some(&target), &[]), Ok(addr("8.8.8.8")));
        let refused = filter("nas.example", addr("::ffff:10.0.0.1"), Some(&target), &[]).expect_err("private");
        assert!(refused.0.contains("allow_private = [\"nas.example:80\"]"), "{refused}");
        let rule = [parse_allow("10.0.0.1:80").expect("a rule")];
        assert_eq!(filter("nas.example", addr("10.0.0.1"), Some(&target), &rule), Ok(addr("10.0.0.1")));
        assert!(filter("nas.example", addr("10.0.0.1"), None, &rule).is_err(), "an unknown port matches no rule with a port");
    }

    #[test]
    fn what_is_not_a_rule_gets_a_sentence() {
        for wrong in ["", "a b", "http://127.0.0.1:80", "10.0.0.0/4", "10.0.0.0/33", "x/24", "localhost:0", "localhost:x", "[::1"]
        {
            let sentence = parse_allow(wrong).expect_err(wrong);
            assert!(sentence.contains("Write for example"), "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn mapped_addresses_are_judged_like_the_address_inside(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            prop_assert_eq!(is_public(v4.into()), is_public(v4.to_ipv6_mapped().into()));
            let nat64 = Ipv6Addr::from((0x64_ff9b_u128 << 96) | u128::from(bits));
            prop_assert_eq!(is_public(v4.into()), is_public(nat64.into()));
            let six_to_four = Ipv6Addr::from((0x2002_u128 << 112) | (u128::from(bits) << 80));
            prop_assert_eq!(is_public(v4.into()), is_public(six_to_four.into()));
        }

        #[test]
        fn any_text_is_a_rule_or_a_sentence(text in "\\PC{0,40}") {
            if let Err(sentence) = parse_allow(&text) {
                prop_assert!(sentence.ends_with('.'));
            }
        }
    }
}
