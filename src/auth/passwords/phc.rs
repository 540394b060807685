//! Argon2id hashes as PHC strings, computed in memory that is returned to the operating system.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;

use crate::auth::secrets::random_256;
use crate::error::Fault;

/// Memory of one hash, in KiB. With two passes and one lane, this is a recommendation of OWASP for Argon2id.
pub(super) const MEMORY_KIB: u32 = 19_456;
pub(super) const PASSES: u32 = 2;
pub(super) const LANES: u32 = 1;

const SALT_BYTES: usize = 16;

/// Blocks that are allocated; a hash uses some 19,000 of them and leaves the others untouched. glibc's allocator
/// requests anything beyond 32 MiB from the system and returns it at once. Smaller buffers, after a few of them, it
/// keeps for each thread that ever had one, which came to 300 MB. A pool of buffers would stay allocated, too.
const ALLOCATED_BLOCKS: usize = 33 * 1024 * 1024 / Block::SIZE;

fn memory(params: &Params) -> Result<Vec<Block>, Fault> {
    let mut blocks = Vec::new();
    let full = |_| Fault::Unavailable("not enough memory to hash a password");
    blocks.try_reserve_exact(params.block_count().max(ALLOCATED_BLOCKS)).map_err(full)?;
    blocks.resize(params.block_count(), Block::new());
    Ok(blocks)
}

/// The hash of a password with a new salt.
pub(super) fn hash(password: &[u8]) -> Result<String, Fault> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Fault::internal)?;
    let salt = random_256()?;
    let salt = &salt[..SALT_BYTES];
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    Argon2::new(algorithm, version, params.clone())
        .hash_password_into_with_memory(password, salt, &mut output, memory(&params)?)
        .map_err(Fault::internal)?;
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params).map_err(Fault::internal)?,
        salt: Some(Salt::new(salt).map_err(Fault::internal)?),
        hash: Some(Output::new(&output).map_err(Fault::internal)?),
    };
    Ok(hash.to_string())
}

/// Whether a password matches a hash, whatever the cost of the hash. `false` also if it is not a hash.
pub(super) fn verify(password: &[u8], hash: &str) -> Result<bool, Fault> {
    let Ok(hash) = PasswordHash::new(hash) else { return Ok(false) };
    let Ok(algorithm) = Algorithm::try_from(hash.algorithm.as_str()) else { return Ok(false) };
    let Ok(version) = hash.version.map_or(Ok(Version::default()), Version::try_from) else {
        return Ok(false);
    };
    let (Ok(params), Some(salt), Some(expected)) = (Params::try_from(&hash), &hash.salt, &hash.hash) else {
        return Ok(false);
    };
    let mut output = vec![0; expected.len()];
    let blocks = memory(&params)?;
    let is_computed = Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password, salt, &mut output, blocks)
        .is_ok();
    Ok(is_computed && output.ct_eq(expected.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by the reference implementation: `argon2 'somesalt' -id -t 2 -m 16 -p 1`, for the password `password`.
    const REFERENCE: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn a_hash_of_the_reference_implementation_verifies() {
        assert!(verify(b"password", REFERENCE).expect("memory"));
        assert!(!verify(b"Password", REFERENCE).expect("memory"));
    }

    #[test]
    fn nothing_matches_what_is_not_a_hash() {
        for wrong in
            ["", "hash", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", "$scrypt$ln=1$c29tZXNhbHQ$c29tZXNhbHQ"]
        {
            assert!(!verify(b"password", wrong).expect("memory"), "{wrong}");
        }
    }
}
