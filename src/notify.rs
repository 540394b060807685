//! Notifies the rest of the server of what a committed transaction changed, and the event streams of clients of what
//! they should pull.

mod hub;
mod mailbox;
mod pending;
mod subscribers;
#[cfg(test)]
mod tests;

pub use hub::{EndedSession, Event, Hub, Pushed};
pub use mailbox::{PushSummary, StreamEvent};
pub use pending::Subscriber;
pub use subscribers::{StreamLimits, SubscribeError, Subscribers, Subscription};
