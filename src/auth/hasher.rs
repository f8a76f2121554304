//! The hashes themselves: argon2id to make, argon2 and bcrypt to verify.
//!
//! Synchronous and slow by nature; [`super::password`] runs it on threads of its own. bcrypt is verified as databases
//! of the original server need it, long passwords cut at 72 bytes included, and never made.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::password::Verification;
use crate::error::{Error, Result};

/// 19 MiB, two passes, one lane: OWASP's first choice for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The most a stored hash may ask for: a damaged row must not take the server's memory or a thread for days.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 32;
const MAX_BCRYPT_COST: u32 = 16;

/// Capacity to ask of the allocator for argon2's memory, in blocks of 1 KiB. glibc serves more than 32 MiB from the
/// kernel and gives it back when freed, whatever was freed before; less it may keep for good. What is not touched of
/// it costs nothing.
const CAPACITY: usize = 33 * 1024;

/// Makes and verifies hashes, reusing its working memory until asked to release it.
pub(super) struct Hasher {
    params: Params,
    memory: Vec<Block>,
}

impl Hasher {
    pub(super) fn new() -> Result<Self> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Error::internal)?;
        Ok(Self { params, memory: Vec::new() })
    }

    /// The hash of `password` under a fresh salt, in PHC string format.
    pub(super) fn hash(&mut self, password: &[u8]) -> Result<String> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(Error::internal)?;
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        let params = self.params.clone();
        self.argon2(Algorithm::Argon2id, Version::V0x13, params, password, &salt, &mut output)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).map_err(Error::internal)?,
            salt: Some(Salt::new(&salt).map_err(Error::internal)?),
            hash: Some(Output::new(&output).map_err(Error::internal)?),
        };
        Ok(hash.to_string())
    }

    /// Verifies `password`. Without a stored hash, or with one that cannot be read, the work is done all the same.
    pub(super) fn verify(&mut self, stored: Option<&str>, password: &[u8]) -> Result<Verification> {
        let verdict = match stored {
            Some(hash) if hash.starts_with("$argon2") => self.verify_argon2(hash, password),
            Some(hash) if hash.starts_with("$2") => verify_bcrypt(hash, password),
            Some(_) => Err("it is neither argon2 nor bcrypt".to_owned()),
            None => return self.refuse(password),
        };
        match verdict {
            Ok(verdict) => Ok(verdict),
            Err(why) => {
                tracing::warn!(
                    "a stored password hash cannot be used: {why}; set a new password for that user"
                );
                self.refuse(password)
            }
        }
    }

    /// Wipes the working memory and gives it back.
    pub(super) fn release(&mut self) {
        for block in &mut self.memory {
            block.zeroize();
        }
        self.memory = Vec::new();
    }

    fn refuse(&mut self, password: &[u8]) -> Result<Verification> {
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        let params = self.params.clone();
        self.argon2(Algorithm::Argon2id, Version::V0x13, params, password, &[0; 16], &mut output)?;
        Ok(Verification { ok: false, needs_rehash: false })
    }

    fn verify_argon2(&mut self, hash: &str, password: &[u8]) -> Result<Verification, String> {
        let hash = PasswordHash::new(hash).map_err(|e| e.to_string())?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(|e| e.to_string())?;
        let version = match hash.version {
            Some(version) => Version::try_from(version).map_err(|e| e.to_string())?,
            None => Version::V0x10,
        };
        let params = Params::try_from(&hash).map_err(|e| e.to_string())?;
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES {
            return Err(format!("it asks for {} KiB and {} passes", params.m_cost(), params.t_cost()));
        }
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Err("it has no salt or no hash".to_owned());
        };
        let weaker = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || params.m_cost() < MEMORY_KIB
            || params.t_cost() < PASSES;
        let mut output = vec![0; expected.len()];
        self.argon2(algorithm, version, params, password, salt, &mut output).map_err(|e| e.to_string())?;
        let ok = bool::from(output.as_slice().ct_eq(expected.as_bytes()));
        Ok(Verification { ok, needs_rehash: ok && weaker })
    }

    fn argon2(
        &mut self,
        algorithm: Algorithm,
        version: Version,
        params: Params,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<()> {
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            self.memory.reserve_exact(blocks.max(CAPACITY) - self.memory.len());
            self.memory.resize(blocks, Block::default());
        }
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password, salt, output, &mut self.memory)
            .map_err(Error::internal)
    }
}

fn verify_bcrypt(hash: &str, password: &[u8]) -> Result<Verification, String> {
    let cost = hash.parse::<bcrypt::HashParts>().map_err(|e| e.to_string())?.get_cost();
    if cost > MAX_BCRYPT_COST {
        return Err(format!("its bcrypt cost is {cost}"));
    }
    // `$2x$` marks hashes of an old implementation's bug, which this one does not repeat.
    if hash.starts_with("$2x$") {
        return Err("it is of bcrypt's faulty variant 2x".to_owned());
    }
    let ok = bcrypt::verify(password, hash).map_err(|e| e.to_string())?;
    Ok(Verification { ok, needs_rehash: ok })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const GOOD: Verification = Verification { ok: true, needs_rehash: false };
    const OLD: Verification = Verification { ok: true, needs_rehash: true };
    const BAD: Verification = Verification { ok: false, needs_rehash: false };

    #[test]
    fn a_hash_verifies_its_own_password_alone() {
        let mut hasher = Hasher::new().unwrap();
        let hash = hasher.hash(b"correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash(b"correct horse").unwrap(), "salts are fresh");
        assert_eq!(hasher.verify(Some(&hash), b"correct horse").unwrap(), GOOD);
        assert_eq!(hasher.verify(Some(&hash), b"correct hors").unwrap(), BAD);
        hasher.release();
        assert_eq!(hasher.verify(Some(&hash), b"correct horse").unwrap(), GOOD);
        assert_eq!(hasher.verify(None, b"correct horse").unwrap(), BAD);
    }

    #[test]
    fn weaker_argon2_is_to_be_rehashed_and_stronger_kept() {
        use argon2::PasswordHasher;
        let mut hasher = Hasher::new().unwrap();
        let mut made = |algorithm, version, m, t| {
            let params = Params::new(m, t, 1, None).unwrap();
            let hash = Argon2::new(algorithm, version, params)
                .hash_password_with_salt(b"secret", b"saltsaltsalt")
                .unwrap()
                .to_string();
            hasher.verify(Some(&hash), b"secret").unwrap()
        };
        assert_eq!(made(Algorithm::Argon2id, Version::V0x13, 1024, 2), OLD);
        assert_eq!(made(Algorithm::Argon2id, Version::V0x10, 19456, 2), OLD);
        assert_eq!(made(Algorithm::Argon2i, Version::V0x13, 19456, 2), OLD);
        assert_eq!(made(Algorithm::Argon2id, Version::V0x13, 65536, 2), GOOD);
    }

    #[test]
    fn bcrypt_is_verified_in_its_usual_variants() {
        let mut hasher = Hasher::new().unwrap();
        let parts = bcrypt::hash_with_result("secret", 4).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let hash = parts.format_for_version(version);
            assert_eq!(hasher.verify(Some(&hash), b"secret").unwrap(), OLD);
            assert_eq!(hasher.verify(Some(&hash), b"Secret").unwrap(), BAD);
        }
    }

    #[test]
    fn bcrypt_cuts_long_passwords_as_the_original_did() {
        let mut hasher = Hasher::new().unwrap();
        let long = "x".repeat(100);
        let hash = bcrypt::hash(&long, 4).unwrap();
        assert_eq!(hasher.verify(Some(&hash), long.as_bytes()).unwrap(), OLD);
        assert_eq!(hasher.verify(Some(&hash), &long.as_bytes()[..72]).unwrap(), OLD);
        assert_eq!(hasher.verify(Some(&hash), &long.as_bytes()[..71]).unwrap(), BAD);
    }

    #[test]
    fn unusable_hashes_refuse_without_an_error() {
        let mut hasher = Hasher::new().unwrap();
        for hash in [
            "",
            "plain text",
            "$2b$10$short",
            "$2b$31$XR9zztOaU8MZ/S045eauT.qpkDbF4fJx5vZRm0kLQf7PJ8oERIEkK",
            "$argon2id$v=19$m=4000000,t=2,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$",
        ] {
            assert_eq!(hasher.verify(Some(hash), b"plain text").unwrap(), BAD, "{hash}");
        }
    }
}
