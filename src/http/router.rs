//! From method and path to a row of the route table. (Bodies follow.)

use super::Route;

/// The route table, ready to be asked.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
}

/// Why the routes of this server cannot be served together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteError(pub String);

impl std::fmt::Display for RouteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RouteError {}

impl Router {
    /// The router of `routes`.
    ///
    /// # Errors
    /// Two routes have one method and path, or two paths contradict each other.
    pub fn new(routes: Vec<Route>) -> Result<Self, RouteError> {
        Ok(Self { routes })
    }

    /// Every route, in the order of the table.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}
