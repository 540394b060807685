//! Wire types of Tidelog.
