//! Variables that are not ours although their names begin like ours: Kubernetes sets them in every container beside a
//! Service called `tidelog` (`enableServiceLinks`), and Docker in a container that is linked to one of that name.
//!
//! Which Services there are is rarely decided by those who set up a container, so the variables are ignored. Their
//! patterns are exact, and no setting fits them: any other name is still recognised as a typo.

use std::ffi::OsStr;

/// The transports of a port, with the scheme under which `TIDELOG_PORT` names the first one.
const TRANSPORTS: [(&str, &str); 3] = [("TCP", "tcp://"), ("UDP", "udp://"), ("SCTP", "sctp://")];

/// Whether this is such a variable; `name` is without `TIDELOG_`.
pub(super) fn is_service_link(name: &str, value: &OsStr) -> bool {
    match name {
        "SERVICE_HOST" | "SERVICE_PORT" | "NAME" => true,
        // A number would be a try to set the port.
        "PORT" => {
            value.to_str().is_some_and(|url| TRANSPORTS.iter().any(|(_, scheme)| url.starts_with(scheme)))
        }
        _ => {
            let is_named = |prefix| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
            is_named("SERVICE_PORT_") || is_named("ENV_") || name.strip_prefix("PORT_").is_some_and(is_port)
        }
    }
}

/// `7878_TCP`, or a part of it such as `7878_TCP_ADDR`.
fn is_port(text: &str) -> bool {
    let mut words = text.split('_');
    let (number, transport, part) = (words.next(), words.next(), words.next());
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        && TRANSPORTS.iter().any(|(name, _)| Some(*name) == transport)
        && matches!(part, None | Some("PROTO" | "PORT" | "ADDR"))
        && words.next().is_none()
}
