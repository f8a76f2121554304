//! Password hashing and verification, on threads of its own. (Bodies follow.)

use secrecy::SecretString;

use crate::error::Result;

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is the right one.
    pub ok: bool,
    /// Whether the stored hash is weaker than what [`Passwords::hash`] makes now; only ever true with `ok`.
    pub needs_rehash: bool,
}

/// The password hashing threads.
pub struct Passwords {}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// The hash to store for a password, in PHC string format.
    ///
    /// # Errors
    /// 400 for a password over 1024 bytes; 503 with `Retry-After` when too many are waiting.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        let _ = password;
        todo!()
    }

    /// Verifies a password against the stored hash. `None` stands for an unknown user: the same work is done and
    /// the answer is no. A no takes a fixed minimum of time whatever the hash is.
    ///
    /// # Errors
    /// 503 with `Retry-After` when too many are waiting.
    pub async fn verify(&self, hash: Option<String>, password: SecretString) -> Result<Verdict> {
        let _ = (hash, password);
        todo!()
    }
}
