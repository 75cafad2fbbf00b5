//! The command `wxtoken`: one host's tokens from the shell, and what an operator does with their store.
//!
//! Here: from the command line to an exit code. `args` is what can be said, `usage_error` what is answered when something
//! else is; each command has its file in `commands`. Output is written at one place, `ui::output`; no secret goes anywhere,
//! and a token only where `get` puts it.
//!
//! It is a library so that `fuzz/` can call the server in its own process. Nobody else uses it.
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

/// Does what the command line says.
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
