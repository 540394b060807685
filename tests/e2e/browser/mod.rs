//! The pages in a real browser, on the real server, with clicks and keys.

mod account;
mod callback;
mod first_run;
mod other_sites;
mod reach;
mod sign_in;
mod window;
