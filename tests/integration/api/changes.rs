//! Changes: pushed and pulled.

mod pull;
mod push;
