//! The pages as people use them: a real browser, the real server, clicks and keys.

mod account;
mod callback;
mod first_run;
mod other_sites;
mod reach;
mod sign_in;
mod window;
