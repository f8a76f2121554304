//! From method and path to a row of the route table.
//!
//! Paths come first, methods second, so that an unknown path is 404 and a known one without the method 405 with what
//! it does have. One trailing slash is tolerated, and `HEAD` is served wherever `GET` is.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::document::document;
use super::{Access, Method, Route};
use crate::error::{Error, Kind};
use crate::http::path::without_slash;
use crate::model::audit::SubjectKind;
use crate::model::id::parse_id;
use crate::registry::Registry;

/// The route table, ready to be asked.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
    paths: matchit::Router<Path>,
}

/// One path: its routes by their place in the table, and the `Allow` header of a 405.
#[derive(Debug)]
struct Path {
    methods: Vec<(Method, usize)>,
    allow: String,
    /// Whether it takes every path below another: what is not there is then not hidden by it.
    takes_rest: bool,
    /// Whether it lies under `/api` itself.
    of_api: bool,
    /// The route of agents' connections, whose door judges the method itself.
    agents: Option<usize>,
}

/// Why the routes of this server cannot be served together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteError(String);

impl std::fmt::Display for RouteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RouteError {}

/// A route that was found, with the values of its path's placeholders.
#[derive(Debug)]
pub struct Found<'a> {
    /// The route.
    pub route: &'a Route,
    /// Its placeholders by name, percent-decoded.
    pub params: Vec<(String, String)>,
}

impl Found<'_> {
    /// The thing that the request is about, as the audit log calls it.
    pub(super) fn subject(&self) -> Option<(SubjectKind, i64)> {
        let kind = self.route.subject?;
        let (_, id) = self.params.iter().find(|(name, _)| name == "id")?;
        Some((kind, parse_id(id)?))
    }
}

impl Router {
    /// The router of `routes`.
    ///
    /// # Errors
    /// Two routes have one method and path, or a path is malformed or contradicts another.
    pub fn new(routes: Vec<Route>) -> Result<Self, RouteError> {
        let mut methods: Vec<(&str, Vec<(Method, usize)>)> = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let path = &*route.path;
            if !is_path(path) {
                return Err(RouteError(format!(
                    "the route {route:?} must have a path that starts with a slash and does not end with one"
                )));
            }
            let known = match methods.iter_mut().find(|(known, _)| *known == path) {
                Some((_, known)) => known,
                None => &mut methods.push_mut((path, Vec::new())).1,
            };
            if let Some((_, first)) = known.iter().find(|(method, _)| *method == route.method) {
                return Err(RouteError(format!(
                    "two routes are {} {path}: {:?} and {:?}; remove or rename one of them",
                    route.method, routes[*first].summary, route.summary
                )));
            }
            known.push((route.method.clone(), index));
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in methods {
            let allow = allow(&methods);
            let is_agents = |(_, index): &&(Method, usize)| routes[*index].access == Access::Agent;
            let agents = methods.iter().find(is_agents).map(|(_, index)| *index);
            paths
                .insert(
                    path,
                    Path { methods, allow, takes_rest: path.contains("{*"), of_api: is_api(path), agents },
                )
                .map_err(|e| RouteError(format!("the route {path} cannot be served: {e}")))?;
        }
        Ok(Self { routes, paths })
    }

    /// Every route, in the order of the table.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The API's document of all routes and of the commands of `registry`.
    pub fn document(&self, registry: &Registry) -> Value {
        document(self.routes.iter().map(Route::row), registry)
    }

    /// The route of `method` and `path`.
    ///
    /// A route such as `/{*path}`, which takes every path below another, takes those of its methods that nothing more
    /// exact takes, and nothing under `/api` unless it begins so itself: there every answer is the envelope.
    ///
    /// # Errors
    /// 404 for an unknown path, 405 for a known one that does not have the method.
    pub fn find(&self, method: &Method, path: &str) -> Result<Found<'_>, Error> {
        let nothing = || Error::not_found("There is nothing at this path");
        let mut matched = self.paths.at(without_slash(path)).map_err(|_| nothing())?;
        if matched.value.takes_rest {
            if is_api(path) && !matched.value.of_api {
                return Err(nothing());
            }
            // To whom the rest of a path is given, its last slash means something.
            matched = self.paths.at(path).map_err(|_| nothing())?;
        }
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let methods = &matched.value.methods;
        let of = |method: &Method| methods.iter().find(|(m, _)| m == method).map(|(_, index)| *index);
        let Some(index) = matched.value.agents.or_else(|| of(method)).or_else(|| of(wanted)) else {
            if matched.value.takes_rest {
                return Err(nothing());
            }
            let allow = &matched.value.allow;
            let message = format!("This method is not possible here, only {allow}");
            return Err(Error::new(Kind::NotOffered, "method_not_allowed", message).offering(allow));
        };
        let decoded = |value: &str| percent_decode_str(value).decode_utf8_lossy().into_owned();
        let params = matched.params.iter().map(|(name, value)| (name.to_owned(), decoded(value))).collect();
        Ok(Found { route: &self.routes[index], params })
    }
}

/// Whether a route can have a path, as far as its slashes go: it begins with one, and does not end with one.
pub fn is_path(path: &str) -> bool {
    path.starts_with('/') && (path.len() == 1 || !path.ends_with('/'))
}

/// Whether a path is the API's.
pub(super) fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

fn allow(methods: &[(Method, usize)]) -> String {
    let has = |method: &Method| methods.iter().any(|(m, _)| m == method);
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if has(&Method::GET) && !has(&Method::HEAD) {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::rest::{Answer, Call, NoBody, Row};

    async fn nothing(_: Call, _: NoBody) -> crate::error::Result<Answer<()>> {
        Ok(Answer::done("done"))
    }

    fn route(method: Method, path: &'static str, summary: &'static str) -> Route {
        Row::new(method, path, summary).public().handler(nothing)
    }

    fn router() -> Router {
        Router::new(vec![
            route(Method::GET, "/", "root"),
            route(Method::GET, "/api/agents", "list"),
            route(Method::POST, "/api/agents", "create"),
            route(Method::GET, "/api/agents/status", "status"),
            route(Method::GET, "/api/agents/{id}", "one"),
            route(Method::POST, "/api/agents/{id}/commands/{name}", "command"),
            route(Method::POST, "/api/auth/login", "login"),
        ])
        .unwrap()
    }

    fn found(method: Method, path: &str) -> (&'static str, Vec<String>) {
        let router = router();
        let found = router.find(&method, path).unwrap();
        (found.route.summary, found.params.iter().map(|(n, v)| format!("{n}={v}")).collect())
    }

    fn refused(method: Method, path: &str) -> (Kind, Option<String>) {
        let error = router().find(&method, path).unwrap_err();
        (error.kind(), error.offered().map(str::to_owned))
    }

    #[test]
    fn finds_by_path_and_method() {
        assert_eq!(found(Method::GET, "/").0, "root");
        assert_eq!(found(Method::GET, "/api/agents").0, "list");
        assert_eq!(found(Method::POST, "/api/agents").0, "create");
        assert_eq!(found(Method::GET, "/api/agents/status").0, "status");
        assert_eq!(found(Method::GET, "/api/agents/7"), ("one", vec!["id=7".to_owned()]));
    }

    #[test]
    fn placeholders_are_decoded() {
        let (_, params) = found(Method::POST, "/api/agents/%37/commands/A%2FB%20%ff");
        assert_eq!(params, ["id=7", "name=A/B \u{fffd}"]);
    }

    #[test]
    fn one_trailing_slash_is_tolerated() {
        assert_eq!(found(Method::GET, "/api/agents/").0, "list");
        assert_eq!(found(Method::GET, "/api/agents/7/").0, "one");
        assert_eq!(refused(Method::GET, "/api/agents//").0, Kind::NotFound);
    }

    #[test]
    fn head_is_served_where_get_is() {
        assert_eq!(found(Method::HEAD, "/api/agents").0, "list");
        assert_eq!(refused(Method::HEAD, "/api/auth/login"), (Kind::NotOffered, Some("POST".to_owned())));
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        let all = Some("GET, HEAD, POST".to_owned());
        assert_eq!(refused(Method::DELETE, "/api/agents"), (Kind::NotOffered, all.clone()));
        assert_eq!(refused(Method::OPTIONS, "/api/agents"), (Kind::NotOffered, all));
    }

    #[test]
    fn an_unknown_path_is_not_found_whatever_the_method() {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            assert_eq!(refused(method, "/api/nothing"), (Kind::NotFound, None));
        }
        assert_eq!(refused(Method::GET, "").0, Kind::NotFound);
        assert_eq!(refused(Method::GET, "*").0, Kind::NotFound);
    }

    #[test]
    fn a_route_for_the_rest_hides_nothing() {
        let router = Router::new(vec![
            route(Method::GET, "/", "root"),
            route(Method::GET, "/api/agents/{id}", "one"),
            route(Method::GET, "/livez", "life"),
            route(Method::GET, "/{*path}", "rest"),
            route(Method::GET, "/api/docs/{*path}", "files"),
        ])
        .unwrap();
        let summary = |method: Method, path: &str| {
            router.find(&method, path).map(|found| found.route.summary).map_err(|e| e.kind())
        };
        for (path, found) in
            [("/", "root"), ("/livez", "life"), ("/livez/", "life"), ("/a", "rest"), ("/a/b", "rest")]
        {
            assert_eq!(summary(Method::GET, path), Ok(found), "{path}");
        }
        assert_eq!(router.find(&Method::GET, "/a/b/").unwrap().params[0].1, "a/b/");
        assert_eq!(summary(Method::HEAD, "/a"), Ok("rest"));
        assert_eq!(summary(Method::GET, "/api/docs/a/b.js"), Ok("files"));
        for path in ["/api", "/api/", "/api/nothing", "/api/agents/7/nothing"] {
            assert_eq!(summary(Method::GET, path), Err(Kind::NotFound), "{path}");
        }
        assert_eq!(summary(Method::POST, "/a"), Err(Kind::NotFound));
        assert_eq!(summary(Method::POST, "/livez"), Err(Kind::NotOffered));
    }

    #[test]
    fn two_of_one_method_and_path_are_refused() {
        let twice = vec![
            route(Method::GET, "/metrics", "the first"),
            route(Method::POST, "/metrics", "another method"),
            route(Method::GET, "/metrics", "the second"),
        ];
        let error = Router::new(twice).unwrap_err().to_string();
        for part in ["GET /metrics", "the first", "the second"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn contradicting_and_malformed_paths_are_refused() {
        for paths in [&["/a/{id}", "/a/{name}"][..], &["no-slash"], &["/a/"], &["/a/{"], &["/a/{*rest}/more"]]
        {
            let routes = paths.iter().map(|path| route(Method::GET, path, "x")).collect();
            assert!(Router::new(routes).is_err(), "{paths:?}");
        }
    }
}
