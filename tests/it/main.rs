//! The integration tests: one binary, a module an area. Everything goes through the server's public doors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod support;

mod adoption;
mod agent_commands;
mod agent_connection;
mod agent_frames;
mod agent_handshake;
mod agent_line;
mod agent_program;
mod agent_time;
mod cli;
mod cli_agents;
mod cli_users;
mod config;
mod conventions;
mod disk;
mod durability;
mod end_to_end;
mod enroll;
mod enrolment;
mod http_forms;
mod keys;
mod keys_interrupted;
mod limits;
mod login_security;
mod password_resets;
mod passwords;
mod permissions;
mod plugins;
mod reload;
mod rest_account;
mod rest_agents;
mod rest_auth;
mod rest_commands;
mod rest_devices;
mod rest_envelope;
mod rest_operator;
mod rest_status;
mod rest_tokens;
mod rest_users;
mod rotation;
mod sessions;
mod sharing;
mod totp;
mod totp_required;
