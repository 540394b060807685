//! The order of the modules: which may import which, and that no files of a folder import each other in a circle.
//!
//! All of it is a scan of text, so it also sees code that this build leaves out.

mod circles;
mod order;
mod source;
