//! `netignite healthcheck`: asks the server on this machine whether it is ready, for containers. It asks where the
//! flags say, else where the server in the data directory says that it listens, else where the configuration says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::failure::Failure;
use super::{ServerArguments, block_on, output};
use crate::address_file;
use crate::http::client::{self, Target};
use crate::http::{Method, StatusCode, server};

/// How long the server may take to answer. Containers' own limit is mostly 5 s.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(arguments: ServerArguments) -> Result<(), Failure> {
    let (host_given, port_given) = (arguments.host.is_some(), arguments.port.is_some());
    let config = arguments.load()?.config;
    // Where the running server wrote that it listens counts for what no flag says.
    let written = address_file::read(&config.data_directory);
    let host = written.filter(|_| !host_given).map_or(config.server.host, |at| at.ip());
    let port = written.filter(|_| !port_given).map_or(config.server.port, |at| at.port());
    let address = reachable(SocketAddr::new(host, port));
    if address.port() == 0 {
        return Err(Failure::new(
            "the port is 0, so that the system chooses one: name the server's with --port or server.port",
        ));
    }
    let (status, answer) = block_on(async {
        let target = Target::Tcp(address);
        let request = client::request(&target, Method::GET, "/readyz", None);
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => Err(Failure::new(format!("no server answers at http://{address}: {e}"))),
            Err(_) => Err(Failure::new(format!(
                "the server at http://{address} did not answer within {} s",
                PATIENCE.as_secs()
            ))),
        }
    })?;
    match status {
        StatusCode::OK => output::print("ready"),
        // The plugin that answers may be switched off: a server of ours that says so is up.
        StatusCode::NOT_FOUND if answer["code"] == "not_found" => output::print("up (/readyz is not served)"),
        // Whoever restarts what fails here would hang up on everyone it serves.
        _ if answer["code"] == server::FULL => output::print("up (every connection is taken)"),
        StatusCode::NOT_FOUND => Err(Failure::new(format!(
            "what answers at http://{address} is no NetIgnite Server: name the server's address with --host and --port"
        ))),
        status => Err(Failure::new(format!(
            "the server at http://{address} is not ready: it answered {status}; its log says why"
        ))),
    }
}

/// An address to reach a server at that is bound to `bound`: a wildcard is reached through loopback.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_wildcard_is_reached_through_loopback() {
        for (bound, reached) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("192.0.2.7:1", "192.0.2.7:1"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
