//! The commands that the test adds, laid out as the server's own.

mod shout;
