//! Client SDK of Tidelog.

pub mod formats;
