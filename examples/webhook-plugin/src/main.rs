//! A NetIgnite Server that posts to a URL whenever an agent comes or goes, and loses nothing when it is stopped.

netignite::main!();

#[allow(unused_imports)]
use webhook_plugin as _;
