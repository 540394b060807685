//! HTTP to one server: requests are sent until they are answered or not worth another attempt, and errors get their
//! types.

mod answer;
mod external;
mod request;
mod server;

pub(crate) use external::{ExternalAnswer, ObjectPart};
pub(crate) use request::{Request, from_json, to_json};
pub(crate) use server::{DEFAULT_TIMEOUT, StreamAnswer, Transport};
