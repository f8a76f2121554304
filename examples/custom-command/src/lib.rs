//! Two more commands and one more plugin for a NetIgnite Server, without a line changed in NetIgnite itself.
//!
//! What stands in the modules below is found at link time. They are in the library, so that tests link them, too.

mod greeting;
mod load_average;
mod tail_log;
