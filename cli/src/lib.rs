//! The command `wxtoken`: tokens from the shell, and an operator's work on their store.
//!
//! `args` defines the command line, and `usage_error` answers an invalid one. Each command has its file in `commands`.
//! All output goes through `ui::output`. No command prints a secret, and only `get` prints a token.
//!
//! It is a library so that `fuzz/` can call the server in its own process. Only `fuzz/` and the program use it.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod args;
mod commands;
mod exit;
mod help;
mod needs;
mod prompt;
mod signals;
mod standing;
mod ui;
mod usage_error;

use std::process::ExitCode;

#[cfg(feature = "fuzzing")]
pub use commands::in_process;

use ui::output;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let code = match usage_error::parse() {
        Ok(cli) => {
            output::choose_color(cli.color);
            commands::run(&cli)
        }
        Err(code) => Ok(code),
    };
    let code = code.unwrap_or_else(|failure| {
        failure.show();
        failure.exit_code()
    });
    ExitCode::from(code)
}
