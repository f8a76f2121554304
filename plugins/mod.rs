//! The server plugins, one file or folder each. A new plugin is a file and its line here.

mod dashboard;
mod health;
mod metrics;
mod openapi;
