//! A NetIgnite Server with one more page: a button for each device, which wakes it.

netignite::main!();

#[allow(unused_imports)]
use page_plugin as _;
