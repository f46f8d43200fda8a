//! Who listens on this machine's own port, according to the kernel. While Prosody is down, anyone may listen there and
//! would be handed tokens that open rooms.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Server;
use crate::host::Host;
use crate::host::ownership;

/// `TCP_LISTEN` in the kernel's tables.
const LISTENS: &str = "0A";

/// Bytes read of such a table: the kernel lists listeners first, and anyone may have any number of connections.
const MOST: u64 = 16 << 20;

/// Who listens where tokens would be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Listener {
    /// Prosody's account or root. Also anyone at all if a web server is in between: that is not checked.
    Trusted,
    /// Nobody.
    Nobody,
    /// Somebody else; the text names the user.
    Stranger(String),
}

/// Who listens at the server's address, if that is Prosody itself.
///
/// # Errors
/// If the kernel's tables cannot be read.
pub fn listener(host: &dyn Host, server: &Server) -> Result<Listener> {
    let (Some(account), true) = (server.account, server.direct) else {
        return Ok(Listener::Trusted);
    };
    let port = server.base.rsplit(':').next().and_then(|port| port.parse().ok());
    let port: u16 = port.with_context(|| format!("{} has no port", server.base))?;
    let mut known = false;
    for (table, addresses) in [("/proc/net/tcp", v4()), ("/proc/net/tcp6", v6())] {
        let Some(text) = host.read_start(Path::new(table), MOST)? else {
            continue;
        };
        known = true;
        let text = String::from_utf8_lossy(&text);
        let owners: Vec<u32> = text.lines().filter_map(|line| owner(line, port, &addresses)).collect();
        if let Some(uid) = owners.iter().find(|uid| ![0, account].contains(uid)) {
            return ownership::user_name(host, *uid).map(Listener::Stranger);
        }
        // If there is a listener on the IPv4 address, that is the one that is reached.
        if !owners.is_empty() {
            return Ok(Listener::Trusted);
        }
    }
    if !known {
        bail!("cannot read the kernel's connection table (/proc/net/tcp)");
    }
    Ok(Listener::Nobody)
}

/// The owner of a listener on one of these addresses at this port, from a line of /proc/net/tcp. Its fields: number,
/// local address:port in hex, remote, state, queues, timer, retransmissions, user.
fn owner(line: &str, port: u16, addresses: &[String; 2]) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, at) = fields.get(1)?.split_once(':')?;
    let here = addresses.iter().any(|own| own == address) && u16::from_str_radix(at, 16).ok()? == port;
    (here && *fields.get(3)? == LISTENS).then(|| fields.get(7)?.parse().ok())?
}

/// 127.0.0.1 and 0.0.0.0, as the kernel prints them: as integers in native byte order.
fn v4() -> [String; 2] {
    [[127, 0, 0, 1], [0; 4]].map(|address| format!("{:08X}", u32::from_ne_bytes(address)))
}

/// The same for IPv6 sockets that accept IPv4 too.
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

    fn who(v4: &[String], v6: &[String]) -> Listener {
        let host = FakeHost::new()
            .file("/etc/passwd", "prosody:x:104:107::/:\nmallory:x:1001:1001::/:\n")
            .file("/proc/net/tcp", format!("{HEAD}{}", v4.concat()))
            .file("/proc/net/tcp6", format!("{HEAD}{}", v6.concat()));
        listener(&host, &Server { account: Some(104), ..Server::local("m.org") }).unwrap()
    }

    #[test]
    fn only_prosody_and_root_are_trusted_listeners() {
        use Listener::{Nobody, Stranger, Trusted};
        let any6 = format!("{}:14A0", "0".repeat(32));
        let (any, local) = ("00000000:14A0", format!("{}:14A0", v4()[0]));
        let mallory = || Stranger("the user mallory".to_owned());
        assert_eq!(who(&[], &[]), Nobody);
        assert_eq!(who(&[line(any, "0A", 104)], &[]), Trusted);
        assert_eq!(who(&[line(&local, "0A", 0)], &[]), Trusted);
        assert_eq!(who(&[line(&local, "0A", 1001)], &[]), mallory());
        assert_eq!(who(&[line(any, "0A", 1001)], &[]), mallory());
        assert_eq!(who(&[], &[line(&any6, "0A", 1001)]), mallory());
        assert_eq!(who(&[], &[line(&any6, "0A", 1002)]), Stranger("the user 1002".to_owned()));
        // Another port, another address, no listener, somebody else's IPv6 next to Prosody's IPv4.
        assert_eq!(who(&[line("00000000:1466", "0A", 1001)], &[]), Nobody);
        assert_eq!(who(&[line("0A00000A:14A0", "0A", 1001)], &[]), Nobody);
        assert_eq!(who(&[line(any, "01", 1001)], &[]), Nobody);
        assert_eq!(who(&[line(any, "0A", 104)], &[line(&any6, "0A", 1001)]), Trusted);
    }

    #[test]
    fn real_kernel_socket_tables_are_parsed() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", socket.local_addr().unwrap());
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| (table, std::fs::read(table).unwrap_or_default()));
        let host = tables.into_iter().fold(FakeHost::new(), |host, (path, text)| host.file(path, text));
        let own = rustix::process::geteuid().as_raw();
        let server = |account| Server { base: base.clone(), account: Some(account), ..Server::local("m.org") };
        let of = |account| listener(&host, &server(account)).unwrap();
        assert_eq!(of(own), Listener::Trusted);
        assert_eq!(matches!(of(own + 1), Listener::Stranger(_)), own != 0);
        drop(socket);
        assert_eq!(listener(&FakeHost::new().file("/proc/net/tcp", HEAD), &server(own)).unwrap(), Listener::Nobody);
        assert!(listener(&FakeHost::new(), &server(own)).is_err());
    }
}
