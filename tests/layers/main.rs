//! The order of the modules: which may import which, that no files of a folder import each other in a circle, and
//! that a noun has one name on all layers.
//!
//! All of it is a scan of text, so it also sees code that this build leaves out.

mod circles;
mod nouns;
mod order;
mod source;
