//! A server somewhere else, called as a user's program calls it: by its base URL, with an API token.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::{confidential, output};
use crate::agent::Reach;
use crate::http::client::{self, Downloaded};
use crate::http::{HeaderValue, Method, StatusCode};
use crate::text::bare;

/// The environment variable that holds the API token.
const TOKEN: &str = "NETIGNITE_TOKEN";
/// The one that names a file which holds it.
const TOKEN_FILE: &str = "NETIGNITE_TOKEN_FILE";
/// How this program calls itself.
const NAME: HeaderValue = HeaderValue::from_static(concat!("netignite/", env!("CARGO_PKG_VERSION")));

/// A server, and the token it is called with.
pub(super) struct Remote {
    reach: Reach,
    /// The value of `Authorization`, marked as sensitive.
    authorization: HeaderValue,
    /// Whether everyone's things are meant.
    admin_mode: bool,
}

impl Remote {
    /// Reads what is needed to call the server of this base URL. Blocks.
    pub(super) fn new(server: &str, admin_mode: bool) -> Result<Self, Failure> {
        let reach = Reach::new(server)?;
        let token = token()?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| {
            Failure::new(format!(
                "the API token in {TOKEN} or {TOKEN_FILE} holds characters that no token has"
            ))
        })?;
        authorization.set_sensitive(true);
        if reach.in_the_clear() {
            output::note(&format!(
                "{reach} is not encrypted: the token can be read on the way; use https://"
            ));
        }
        Ok(Self { reach, authorization, admin_mode })
    }

    /// Whether everyone's things are meant.
    pub(super) fn admin_mode(&self) -> bool {
        self.admin_mode
    }

    /// Calls a route.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        dress: impl FnOnce(&mut Request<Full<Bytes>>),
    ) -> Result<(StatusCode, Value), Failure> {
        let mut request = self.request(method, path, body)?;
        dress(&mut request);
        let sender = self.reach.connect().await?;
        let (status, mut answer) =
            client::request_over(sender, request).await.map_err(|e| self.unanswered(&e))?;
        self.check(status, &mut answer)?;
        Ok((status, answer))
    }

    /// Gives each part of an answer of any size to `take`, until there is no more or that fails.
    pub(super) async fn download(
        &self,
        path: &str,
        dress: impl FnOnce(&mut Request<Full<Bytes>>),
        take: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Downloaded, Failure> {
        let mut request = self.request(Method::GET, path, None)?;
        dress(&mut request);
        let sender = self.reach.connect().await?;
        let mut done = client::download_over(sender, request, take).await.map_err(|e| self.unanswered(&e))?;
        if let Downloaded::Refused(status, answer) = &mut done {
            self.check(*status, answer)?;
        }
        Ok(done)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut path = self.reach.path(path);
        if self.admin_mode {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str("adminMode=true");
        }
        let mut request = client::build(self.reach.authority(), method, &path, body).map_err(Failure::new)?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(USER_AGENT, NAME);
        Ok(request)
    }

    /// Whether it was a server of ours that answered, and took the token. What to do about the token is said here, as the
    /// server does not know where it came from.
    fn check(&self, status: StatusCode, answer: &mut Value) -> Result<(), Failure> {
        let Some(message) = answer["message"].as_str().filter(|_| answer["status"].is_string()) else {
            return Err(Failure::new(format!(
                "{} answered {status}, and not as a NetIgnite server does; check that --server is its base URL, with \
                 https:// if it wants that",
                self.reach
            )));
        };
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failure::new(format!(
                "{} does not take the API token in {TOKEN} or {TOKEN_FILE}: {message}; make another on the account page, or \
                 with `netignite token create` where the server runs",
                self.reach
            )));
        }
        if status == StatusCode::FORBIDDEN && answer["code"] == "forbidden" {
            let message = format!("{message}; look at the token's permissions");
            answer["message"] = message.into();
        }
        Ok(())
    }

    /// The server took the call and did not answer it. What was asked may have been done.
    fn unanswered(&self, error: &io::Error) -> Failure {
        Failure::new(format!(
            "{} did not answer: {error}; look whether it runs, and see what was done before you try again",
            self.reach
        ))
    }
}

/// The token: from the environment, else from the file that it names. Never an argument.
fn token() -> Result<SecretString, Failure> {
    let token = match std::env::var(TOKEN) {
        Ok(token) if !token.is_empty() => SecretString::from(token),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(Failure::new(format!("{TOKEN} is no valid UTF-8")));
        }
        // An empty variable counts as not set, as everywhere.
        Ok(_) | Err(std::env::VarError::NotPresent) => match std::env::var_os(TOKEN_FILE) {
            Some(file) if !file.is_empty() => confidential::from_file(&PathBuf::from(file), "API token")?,
            _ => SecretString::default(),
        },
    };
    let token = bare(token.expose_secret());
    if token.is_empty() {
        return Err(Failure::new(format!(
            "--server needs an API token: put it into {TOKEN}, or into a file that {TOKEN_FILE} names; the account page or \
             `netignite token create` makes one"
        )));
    }
    Ok(token.into())
}
