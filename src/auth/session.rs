//! Who is logged in. (Bodies follow.)

use secrecy::SecretString;

use crate::clock::{Clock, Millis};
use crate::error::Result;
use crate::http::peer::Peer;
use crate::store::Store;

/// The hash under which a session is kept: SHA-256 of the cookie's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey(pub [u8; 32]);

/// A fresh session, whose token is known only now.
#[derive(Debug)]
pub struct Issued {
    /// What the cookie carries; see [`crate::http::cookie::set`].
    pub token: SecretString,
    /// The key it is kept under.
    pub key: SessionKey,
    /// When it ends unless used, in milliseconds since the epoch.
    pub expires: Millis,
}

/// A session as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its key.
    pub key: SessionKey,
    /// Whose it is.
    pub user: i64,
    /// When it was issued.
    pub created: Millis,
    /// When it was used last.
    pub last_used: Millis,
    /// When it ends unless used.
    pub expires: Millis,
    /// Whether the browser should get its cookie again, whose lifetime would end before the session's.
    pub cookie_due: bool,
}

/// The sessions, in memory and in the database.
pub struct Sessions {}

impl Sessions {
    /// Loads the stored sessions; expired ones are deleted.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn load(store: Store, clock: Clock) -> Result<Self> {
        let _ = (store, clock);
        todo!()
    }

    /// Starts a session of `user`. The oldest of too many sessions of one user are ended.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn issue(&self, user: i64, peer: &Peer, user_agent: Option<&str>) -> Result<Issued> {
        let _ = (user, peer, user_agent);
        todo!()
    }

    /// The valid session a cookie's token names, counted as used now.
    pub fn find(&self, token: &str) -> Option<Session> {
        let _ = token;
        todo!()
    }

    /// The session kept under `key`, if it is still valid.
    pub fn get(&self, key: SessionKey) -> Option<Session> {
        let _ = key;
        todo!()
    }

    /// Notes that the browser gets its cookie again.
    pub fn cookie_sent(&self, key: SessionKey) {
        let _ = key;
    }

    /// Ends a session; one that is not there is no error.
    ///
    /// # Errors
    /// The database cannot be written; the session is ended until the next start all the same.
    pub async fn end(&self, key: SessionKey) -> Result<()> {
        let _ = key;
        todo!()
    }

    /// Ends all sessions of a user but one.
    ///
    /// # Errors
    /// As [`Sessions::end`].
    pub async fn end_all_of(&self, user: i64, except: Option<SessionKey>) -> Result<()> {
        let _ = (user, except);
        todo!()
    }
}
