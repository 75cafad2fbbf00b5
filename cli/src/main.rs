//! The program `wxtoken`. All of its code is in the library of this package.

use std::process::ExitCode;

fn main() -> ExitCode {
    wxtoken_cli::run()
}
