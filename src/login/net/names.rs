//! Names of other machines, looked up by this machine's own C library in a child (`getent`, which every Debian has).
//! The program itself is linked statically: what nsswitch.conf names besides files and dns (`resolve`, `myhostname`,
//! sssd's) belongs to another C library, and loading it kills the program with SIGFPE.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::host::child::{self, Silent};
use crate::host::command::Command;

/// A name server that has not answered after this long will not.
const LONGEST: Duration = Duration::from_secs(30);
/// More addresses than this are of no use (and ureq accepts no more).
const MOST: usize = 16;

/// The addresses of `host`, a name or an address itself, in the order in which to try them.
pub(super) fn addresses(host: &str, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let getent = Command::query("getent").args(["--", "ahosts", host]).timeout(timeout.min(LONGEST));
    let output = child::run(&getent, &Silent).map_err(|error| Error::other(format!("{error:#}")))?;
    let found = listed(&output.stdout);
    if found.is_empty() {
        let why = format!("cannot resolve {host}");
        return Err(Error::new(ErrorKind::NotFound, why));
    }
    Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

/// The addresses that `getent ahosts` lists, without duplicates: it prints a line for each kind of socket.
fn listed(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let word = line.split_whitespace().next().unwrap_or_default();
        match word.parse() {
            Ok(address) if !found.contains(&address) => found.push(address),
            _ => {}
        }
    }
    found.truncate(MOST);
    found
}

/// The same for ureq.
#[derive(Debug)]
pub(super) struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let mut found = self.empty();
        for address in addresses(host, uri.port_u16().unwrap_or(usual), *timeout.after)? {
            found.push(address);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_and_invalid_addresses_are_skipped() {
        let text = "::1             STREAM localhost\n::1             DGRAM  \n\
                    127.0.0.1       STREAM \nfe80::1%eth0    STREAM \n\n";
        let found: Vec<String> = listed(text).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["::1", "127.0.0.1"]);
    }

    #[test]
    fn ip_addresses_need_no_lookup() {
        for (host, shown) in [("127.0.0.1", "127.0.0.1:5280"), ("[::1]", "[::1]:5280")] {
            let found = addresses(host, 5280, Duration::ZERO).unwrap();
            assert_eq!(found[0].to_string(), shown);
        }
    }

    #[test]
    fn unknown_and_option_like_names_do_not_resolve() {
        for name in ["no-such-host.invalid", "--help"] {
            let error = addresses(name, 80, LONGEST).unwrap_err().to_string();
            assert_eq!(error, format!("cannot resolve {name}"));
        }
    }
}
