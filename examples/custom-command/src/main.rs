//! The whole program is NetIgnite's: `custom-command serve`, `custom-command agent`, `custom-command commands` and so on.

netignite::main!();

#[allow(unused_imports)]
use custom_command as _;
