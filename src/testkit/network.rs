//! A network for the agent side of commands.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::registry::{
    AgentContext, AgentSection, BoxFuture, Look, Neighbourhood, Network, Reachability, SentTo, Sighting,
    Swept,
};

/// A datagram that was broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What it holds.
    pub datagram: Vec<u8>,
    /// To which port.
    pub port: u16,
    /// To whom alone; none for every network.
    pub to: Option<Ipv4Addr>,
}

/// A network that sends nothing, keeps what was sent, and finds what it is set up to find.
///
/// ```
/// use netignite::commands::wakeup::{Payload, Wakeup};
/// use netignite::prelude::*;
/// use netignite::testkit::FakeNetwork;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let network = FakeNetwork::new(Reachability::Up);
/// let payload: Payload = serde_json::from_str(r#"{"macAddress":"AA:BB:CC:DD:EE:FF","port":9}"#).unwrap();
/// Wakeup::run(&network.context(), payload).await.unwrap();
/// assert_eq!(network.sent()[0].port, 9);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct FakeNetwork {
    found: Reachability,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl FakeNetwork {
    /// A network where every host is found to be `found`.
    pub fn new(found: Reachability) -> Self {
        Self { found, sent: Arc::default() }
    }

    /// What a command's agent side runs with.
    pub fn context(&self) -> AgentContext {
        AgentContext::new(Arc::new(self.clone()))
    }

    /// The same for a command with this section of an agent's configuration.
    ///
    /// ```
    /// use netignite::prelude::*;
    /// use netignite::testkit::FakeNetwork;
    ///
    /// #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    /// struct Config {
    ///     file: String,
    /// }
    ///
    /// let config = Config { file: "/var/log/syslog".to_owned() };
    /// let agent = FakeNetwork::new(Reachability::Up).context_with(config);
    /// assert_eq!(agent.config::<Config>().file, "/var/log/syslog");
    /// ```
    pub fn context_with(&self, section: impl AgentSection) -> AgentContext {
        self.context().with_config(Some(Arc::new(section)))
    }

    /// What was sent, in its order.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().clone()
    }
}

impl Network for FakeNetwork {
    fn broadcast<'a>(
        &'a self,
        datagram: &'a [u8],
        port: u16,
        to: Option<Ipv4Addr>,
    ) -> BoxFuture<'a, io::Result<Vec<SentTo>>> {
        self.sent.lock().push(Sent { datagram: datagram.to_vec(), port, to });
        let address = to.unwrap_or(Ipv4Addr::BROADCAST);
        Box::pin(async move { Ok(vec![SentTo { interface: None, address, failure: None }]) })
    }

    fn probe<'a>(&'a self, _: &'a Look) -> BoxFuture<'a, io::Result<Sighting>> {
        Box::pin(async { Ok(self.found.into()) })
    }

    fn sweep<'a>(&'a self, _: Swept<'a>) -> BoxFuture<'a, io::Result<Neighbourhood>> {
        Box::pin(async { Ok(Neighbourhood { hosts: Vec::new(), whole: true }) })
    }
}
