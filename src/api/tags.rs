//! The groups of routes, as the API's document has them.

use crate::rest::Tag;

pub(super) const SIGNING_IN: Tag = Tag::new("Signing in", "Sessions of people, who log in with a password");
pub(super) const DEVICES: Tag = Tag::new("Devices", "What is woken, and whether it is up");
pub(super) const AGENTS: Tag = Tag::new("Agents", "The programs that wake devices on their networks");
pub(super) const ENROLMENT: Tag = Tag::new("Enrolment", "Codes with which machines make their own agents");
pub(super) const COMMANDS: Tag = Tag::new("Commands", "What agents can be asked to do");
pub(super) const OPERATIONS: Tag =
    Tag::new("Operations", "What is wanted of agents and devices, until it is done and for a while after");
pub(super) const SHARES: Tag = Tag::new("Shares", "Letting other users see or wake devices");
pub(super) const ACCOUNT: Tag = Tag::new("Account", "The caller's own account");
pub(super) const TOKENS: Tag = Tag::new("API tokens", "What programs call with");
pub(super) const USERS: Tag = Tag::new("Users", "User management, for admins");
pub(super) const EVENTS: Tag = Tag::new("Live events", "What happens, as it happens");
pub(super) const SERVER: Tag = Tag::new("Server", "Administration of the server itself");
