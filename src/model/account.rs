//! A user as sessions, tokens and permissions see it.

use super::permission::Role;
use crate::clock::Millis;

/// What a session knows of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's ID.
    pub id: i64,
    /// The name to log in with.
    pub username: String,
    /// The role.
    pub role: Role,
    /// The favourite devices that exist and are the user's own or shared with the user.
    pub favorites: Vec<i64>,
    /// Until when that is so for sure, as far as time alone changes it; none for ever.
    pub until: Option<Millis>,
    /// Whether a second factor is in force.
    pub second_factor: bool,
}

/// The ID of the first admin, and of the superadmin of an adopted database.
pub const FIRST_ADMIN: i64 = 1;
/// The name of the first admin.
pub const FIRST_ADMIN_NAME: &str = "admin";
