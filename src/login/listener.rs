//! Who listens on this machine's own port, as the kernel knows it. While Prosody is down anybody may listen there, and
//! would be handed tokens that open rooms.

use std::path::Path;

use anyhow::{Context, Result};

use super::Server;
use crate::host::Host;
use crate::host::ownership;

/// `TCP_LISTEN` in the kernel's tables.
const LISTENS: &str = "0A";

/// Who, besides Prosody's account and root, listens where tokens would be sent: a user, in words. None for a server that
/// is not Prosody itself, whose listener is the web server's business, and where nobody listens.
///
/// # Errors
/// If the kernel's tables cannot be read.
pub fn stranger(host: &dyn Host, server: &Server) -> Result<Option<String>> {
    let (Some(account), true) = (server.account, server.direct) else {
        return Ok(None);
    };
    let port = server.base.rsplit(':').next().and_then(|port| port.parse().ok());
    let port: u16 = port.with_context(|| format!("{} has no port", server.base))?;
    for (table, addresses) in [("/proc/net/tcp", v4()), ("/proc/net/tcp6", v6())] {
        let text = host.read_text(Path::new(table))?.unwrap_or_default();
        let owners: Vec<u32> = text.lines().filter_map(|line| owner(line, port, &addresses)).collect();
        if let Some(uid) = owners.iter().find(|uid| ![0, account].contains(uid)) {
            return ownership::user_name(host, *uid).map(Some);
        }
        // Whoever has the IPv4 address is the one who is reached at it.
        if !owners.is_empty() {
            break;
        }
    }
    Ok(None)
}

/// The owner of a listener on one of these addresses at this port, by a line of /proc/net/tcp. Its fields: number, local
/// address:port in hex, remote, state, queues, timer, retransmissions, user.
fn owner(line: &str, port: u16, addresses: &[String; 2]) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, at) = fields.get(1)?.split_once(':')?;
    let here = addresses.iter().any(|own| own == address) && u16::from_str_radix(at, 16).ok()? == port;
    (here && *fields.get(3)? == LISTENS).then(|| fields.get(7)?.parse().ok())?
}

/// 127.0.0.1 and every address, as the kernel writes a number of the processor's.
fn v4() -> [String; 2] {
    [[127, 0, 0, 1], [0; 4]].map(|address| format!("{:08X}", u32::from_ne_bytes(address)))
}

/// The same for sockets of IPv6 that take IPv4 too.
fn v6() -> [String; 2] {
    let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    let [here, _] = v4();
    [format!("{}{mapped:08X}{here}", "0".repeat(16)), "0".repeat(32)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(address: &str, state: &str, uid: u32) -> String {
        format!(
            "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:>5}        0 4711 1\n"
        )
    }

    fn who(v4: &[String], v6: &[String]) -> Option<String> {
        let host = FakeHost::new()
            .file("/etc/passwd", "prosody:x:104:107::/:\nmallory:x:1001:1001::/:\n")
            .file("/proc/net/tcp", format!("{HEAD}{}", v4.concat()))
            .file("/proc/net/tcp6", format!("{HEAD}{}", v6.concat()));
        stranger(&host, &Server { account: Some(104), ..Server::local("m.org") }).unwrap()
    }

    #[test]
    fn only_prosodys_account_and_root_may_listen_where_tokens_are_sent() {
        let any6 = format!("{}:14A0", "0".repeat(32));
        let (any, local) = ("00000000:14A0", format!("{}:14A0", v4()[0]));
        let mallory = Some("the user mallory".to_owned());
        assert_eq!(who(&[], &[]), None);
        assert_eq!(who(&[line(any, "0A", 104)], &[]), None);
        assert_eq!(who(&[line(&local, "0A", 0)], &[]), None);
        assert_eq!(who(&[line(&local, "0A", 1001)], &[]), mallory);
        assert_eq!(who(&[line(any, "0A", 1001)], &[]), mallory);
        assert_eq!(who(&[], &[line(&any6, "0A", 1001)]), mallory);
        assert_eq!(who(&[], &[line(&any6, "0A", 1002)]).as_deref(), Some("the user 1002"));
        // Another port, another address, no listener, another's IPv6 beside Prosody's IPv4.
        assert_eq!(who(&[line("00000000:1466", "0A", 1001)], &[]), None);
        assert_eq!(who(&[line("0A00000A:14A0", "0A", 1001)], &[]), None);
        assert_eq!(who(&[line(any, "01", 1001)], &[]), None);
        assert_eq!(who(&[line(any, "0A", 104)], &[line(&any6, "0A", 1001)]), None);
    }

    #[test]
    fn the_listeners_of_this_very_machine_are_read() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| (table, std::fs::read(table).unwrap_or_default()));
        let host = tables.into_iter().fold(FakeHost::new(), |host, (path, text)| host.file(path, text));
        let own = rustix::process::geteuid().as_raw();
        let server = |account| Server { base: base.clone(), account: Some(account), ..Server::local("m.org") };
        let of = |account| stranger(&host, &server(account)).unwrap();
        assert_eq!(of(own), None);
        assert_eq!(of(own + 1).is_some(), own != 0);
    }
}
