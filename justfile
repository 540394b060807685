# Shortcuts for daily work. Everything here also works without `just`: each recipe is the command itself.

# What a change needs most often: formatting, lints and the tests that need nothing installed.
check:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
    cargo test --locked --quiet

# Every test, after installing what they need (a browser, nginx, Python packages…).
test:
    scripts/test

# What a pull request must pass.
ci:
    .ci/run

# A server with an app and a user in a temporary folder.
dev *ARGS:
    cargo run --release -- dev {{ARGS}}

# The server beside bare SQLite; see docs/performance.md for how to read the table.
bench *ARGS:
    cargo run --profile dist -p tidelog-load -- {{ARGS}}

# Formats all code.
fmt:
    cargo fmt --all

# The API documentation of all packages, opened in a browser.
docs:
    cargo doc --workspace --all-features --no-deps --open

# The binary as it is released: link-time optimisation, stripped.
dist:
    cargo build --profile dist --locked
