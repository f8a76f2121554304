//! Agents on the wire.
