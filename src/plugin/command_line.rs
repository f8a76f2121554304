//! The server, as a plugin's subcommand on the command line asks it.

use std::sync::Arc;

use serde_json::Value;

use super::PluginError;
use crate::registry::BoxFuture;
use crate::rest::Method;

/// The server, as a plugin's subcommand asks it: as the local operator, whether it runs or not. The routes of plugins
/// answer only while it runs.
#[derive(Clone)]
pub struct CommandLine(Arc<dyn Ask>);

/// Asks the API as the local operator.
pub trait Ask: Send + Sync {
    /// The `data` of an answer, or why there is none.
    fn ask(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<'_, Result<Value, String>>;
}

impl CommandLine {
    /// A command line that asks with `ask`.
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self(ask)
    }

    /// Calls a route of the API as the local operator, and gives the answer's `data`.
    ///
    /// # Errors
    /// The server refuses, with its message; or there is none.
    pub async fn request(
        &self,
        method: Method,
        path: impl Into<String>,
        body: Option<Value>,
    ) -> Result<Value, PluginError> {
        self.0.ask(method, path.into(), body).await.map_err(PluginError)
    }
}
