//! A NetIgnite Server with one more command and one more plugin, without a line changed in NetIgnite itself.
//!
//! The whole program is the library's: `custom-command serve`, `custom-command agent`, `custom-command commands` and
//! so on. What stands in the modules below is found at link time.

use std::process::ExitCode;

mod greeting;
mod load_average;

fn main() -> ExitCode {
    netignite::cli::main()
}
