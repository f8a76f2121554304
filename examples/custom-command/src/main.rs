//! A NetIgnite Server with two more commands and one more plugin, without a line changed in NetIgnite itself.
//!
//! The whole program is the library's: `custom-command serve`, `custom-command agent`, `custom-command commands` and
//! so on. What stands in the modules below is found at link time.

use std::process::ExitCode;

mod greeting;
mod load_average;
mod tail_log;

fn main() -> ExitCode {
    netignite::cli::main()
}

// Here and not in `tests/`, which see libraries alone.
#[cfg(test)]
mod tests {
    #[test]
    fn everything_is_in_the_program() {
        netignite::testkit::assert_registered(env!("CARGO_MANIFEST_DIR"));
    }
}
