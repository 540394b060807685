//! Refuses network file systems, where SQLite's locks and shared memory are unreliable.

use super::{OpenError, Options};

/// Network file systems by the magic number that `statfs` returns.
#[cfg(target_os = "linux")]
const NETWORK: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x564C, "NCP"),
];

/// Fails if the data folder is on a network file system, unless the operator allows it.
#[cfg(target_os = "linux")]
pub(super) fn refuse_network(options: &Options) -> Result<(), OpenError> {
    let found = rustix::fs::statfs(&options.data)
        .map_err(|error| OpenError::Io(options.data.clone(), error.into()))?;
    match network_kind(found.f_type as u64) {
        Some(kind) if !options.allow_network_file_system => {
            Err(OpenError::NetworkFileSystem { path: options.data.clone(), kind })
        }
        _ => Ok(()),
    }
}

/// Elsewhere the kind of a file system cannot be found out without unsafe code or a table of names for each system.
#[cfg(not(target_os = "linux"))]
pub(super) fn refuse_network(_: &Options) -> Result<(), OpenError> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn network_kind(magic: u64) -> Option<&'static str> {
    // `f_type` is a signed 32-bit number on some machines: compare the lower 32 bits.
    NETWORK.iter().find(|(known, _)| *known == magic & 0xFFFF_FFFF).map(|(_, kind)| *kind)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_magic_number_whatever_its_sign() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xFF53_4D42_u32 as i32 as u64), Some("CIFS"));
        assert_eq!(network_kind(0xEF53), None, "ext4 is local");
        assert_eq!(network_kind(0x0102_1994), None, "tmpfs is local");
    }
}
