//! Client SDK of Tidelog.
