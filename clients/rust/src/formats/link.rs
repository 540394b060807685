//! What chains the entries of a stream: the stream's id, and the link by which each entry refers to the one before it.

/// Bytes of a stream's id.
pub const STREAM_ID_BYTES: usize = 8;

/// A stream's random id.
pub type StreamId = [u8; STREAM_ID_BYTES];

/// Bytes of a link.
pub const LINK_BYTES: usize = 16;

/// A truncated hash over an entry's slot, content and predecessor, by which the next entry of the stream refers to it.
pub type Link = [u8; LINK_BYTES];
