//! The `tidelog` program.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tidelog::cli::main()
}
