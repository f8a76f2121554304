//! The database through its own door, and the odd databases it must take over.
