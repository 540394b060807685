//! Argon2id hashes as PHC strings, worked out in memory that goes back to the system.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;

use crate::auth::secrets::random_256;
use crate::error::Fault;

/// Memory of one hash in KiB; with two passes and one lane, OWASP's first recommendation for Argon2id.
pub(super) const MEMORY_KIB: u32 = 19_456;
pub(super) const PASSES: u32 = 2;
pub(super) const LANES: u32 = 1;

const SALT_BYTES: usize = 16;

/// Blocks for which room is asked, of which a hash uses some 19,000 and leaves the others untouched. The usual allocator of
/// Linux asks the system for anything beyond 32 MiB and gives it back at once. Smaller buffers, once it has seen a few of them,
/// it keeps for each thread that ever had one, which came to 300 MB. Buffers of our own would stay for ever, too.
const ROOM_BLOCKS: usize = 33 * 1024 * 1024 / Block::SIZE;

fn memory(params: &Params) -> Result<Vec<Block>, Fault> {
    let mut blocks = Vec::new();
    let full = |_| Fault::Unavailable("there is no memory to hash a password in");
    blocks.try_reserve_exact(params.block_count().max(ROOM_BLOCKS)).map_err(full)?;
    blocks.resize(params.block_count(), Block::new());
    Ok(blocks)
}

/// The hash of a password under a new salt.
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

/// Whether a password has this hash, at whatever cost the hash was made. `false` also if it is none.
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
    let worked = Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password, salt, &mut output, blocks)
        .is_ok();
    Ok(worked && output.ct_eq(expected.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the reference implementation: `argon2 'somesalt' -id -t 2 -m 16 -p 1`, for the password `password`.
    const BY_ANOTHER: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn a_hash_that_another_program_made_verifies_at_its_own_cost() {
        assert!(verify(b"password", BY_ANOTHER).expect("memory"));
        assert!(!verify(b"Password", BY_ANOTHER).expect("memory"));
    }

    #[test]
    fn what_is_no_hash_is_nobodys() {
        for wrong in
            ["", "hash", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", "$scrypt$ln=1$c29tZXNhbHQ$c29tZXNhbHQ"]
        {
            assert!(!verify(b"password", wrong).expect("memory"), "{wrong}");
        }
    }
}
