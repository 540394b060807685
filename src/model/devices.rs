//! Devices: how they are named, and how two of the same name are distinguished.

use tidelog_protocol::Platform;
use tidelog_protocol::limits::MAX_DEVICE_NAME_CHARS;
use uuid::Uuid;

/// A registration that has passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// 1 to 255 characters.
    pub name: String,
    /// The platform that it runs on.
    pub platform: Platform,
    /// Distinguishes two installations of the same name.
    pub install_id: Option<Uuid>,
}

/// A device, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: tidelog_protocol::Device,
    /// The email of its user, if there is one.
    pub email: Option<String>,
    /// The name of its app.
    pub app_name: String,
}

/// The names to try in turn for an installation whose name may be taken: the name itself, then `name (2)`, `name
/// (3)`. The name is cut where the suffix would make it too long.
pub fn candidate_names(name: &str) -> impl Iterator<Item = String> + '_ {
    let suffixed = (2u32..).map(move |number| {
        let suffix = format!(" ({number})");
        let room = MAX_DEVICE_NAME_CHARS - suffix.len();
        name.chars().take(room).collect::<String>() + &suffix
    });
    std::iter::once(name.to_owned()).chain(suffixed)
}

#[cfg(test)]
mod tests {
    use tidelog_protocol::rules::check_device_name;

    use super::*;

    #[test]
    fn a_taken_name_gets_a_number_and_stays_within_the_limit() {
        let names: Vec<_> = candidate_names("Phone").take(3).collect();
        assert_eq!(names, ["Phone", "Phone (2)", "Phone (3)"]);
        let longest = "ü".repeat(MAX_DEVICE_NAME_CHARS);
        assert!(candidate_names(&longest).take(20).all(|name| check_device_name(&name).is_ok()));
    }
}
