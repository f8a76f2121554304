//! `netignite user …`: users, by calls of the API as the local operator.

use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::failure::Failure;
use super::names::{USERS, user_id, users};
use super::operator::Asking;
use super::output::{self, text};
use super::password::new_password;
use super::when;
use crate::auth::first_admin::random_password;
use crate::http::Method;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user; the password is asked for, or read from standard input
    Add(Add),
    /// List all users
    List(Asking),
    /// Change what a user may do
    Role(ChangeRole),
    /// Give a user a new password and end their sessions; the password is asked for, or read from standard input
    ResetPassword(ResetPassword),
    /// Make a one-time token with which a user chooses a new password within an hour
    ResetToken(One),
    /// Remove the second factor of a user who lost the app and the recovery codes
    RemoveTotp(One),
    /// Delete a user who owns no agents and devices
    Delete(One),
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The user's name
    name: String,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The name to log in with
    name: String,
    /// What the user may do
    #[arg(long, value_enum, default_value_t = Role::User)]
    role: Role,
    /// Make up a password and print it
    #[arg(long)]
    generate: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct ChangeRole {
    /// The user's name
    name: String,
    /// What the user may do from now on
    #[arg(value_enum)]
    role: Role,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct ResetPassword {
    /// The user's name
    name: String,
    /// Make up a password and print it
    #[arg(long)]
    generate: bool,
    /// End the user's API tokens and enrolment codes, too
    #[arg(long)]
    end_tokens: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Manages what is theirs
    User,
    /// Manages users too, and everyone's agents and devices
    Admin,
    /// Makes and changes admins, too
    Superadmin,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Superadmin => "superadmin",
        }
    }

    /// The word the API has for the role; a superadmin is an admin with a mark.
    fn stored(self) -> &'static str {
        if self == Self::User { "user" } else { "admin" }
    }
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add(arguments),
        Command::List(asking) => list(asking),
        Command::Role(arguments) => change_role(arguments),
        Command::ResetPassword(arguments) => reset_password(arguments),
        Command::ResetToken(arguments) => reset_token(arguments),
        Command::RemoveTotp(arguments) => remove_totp(arguments),
        Command::Delete(arguments) => delete(arguments),
    }
}

fn add(Add { name, role, generate, asking }: Add) -> Result<(), Failure> {
    let password = password_for(&name, generate)?;
    asking.answer_anywhere(
        async |operator| {
            let body = json!({
                "username": name,
                "password": password.expose_secret(),
                "role": role.stored(),
            });
            let id = operator.request(Method::POST, USERS, Some(&body)).await?;
            if role == Role::Superadmin {
                let mark = json!({ "superadmin": true });
                operator.request(Method::PUT, &format!("{USERS}/{id}"), Some(&mark)).await?;
            }
            Ok(with_password(json!({ "id": id, "username": name }), generate, &password))
        },
        |added| {
            let text = format!("User {:?} was added with ID {}.", text(&added["username"]), added["id"]);
            with_secret_line(text, "Password", &added["password"])
        },
    )
}

fn list(asking: Asking) -> Result<(), Failure> {
    asking.answer(
        async |operator| Ok(Value::Array(users(operator).await?)),
        |users| {
            let role = |user: &Value| {
                if user["superadmin"] == true { "superadmin".to_owned() } else { text(&user["role"]) }
            };
            let row = |user: &Value| vec![text(&user["id"]), text(&user["username"]), role(user)];
            output::table_of(&["ID", "NAME", "ROLE"], users, row)
        },
    )
}

fn change_role(ChangeRole { name, role, asking }: ChangeRole) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let id = user_id(operator, &name).await?;
            let body = json!({ "role": role.stored(), "superadmin": role == Role::Superadmin });
            operator.request(Method::PUT, &format!("{USERS}/{id}"), Some(&body)).await?;
            Ok(json!({ "id": id, "username": name, "role": role.word() }))
        },
        |changed| format!("{:?} is now {}.", text(&changed["username"]), text(&changed["role"])),
    )
}

fn reset_password(arguments: ResetPassword) -> Result<(), Failure> {
    let ResetPassword { name, generate, end_tokens, asking } = arguments;
    asking.answer(
        async |operator| {
            let id = user_id(operator, &name).await?;
            // Asked for only now: nobody wants to type a password for a user who does not exist.
            let password = password_for(&name, generate)?;
            let body = json!({ "password": password.expose_secret(), "endTokens": end_tokens });
            operator.request(Method::PUT, &format!("{USERS}/{id}"), Some(&body)).await?;
            Ok(with_password(json!({ "id": id, "username": name }), generate, &password))
        },
        |reset| {
            let name = text(&reset["username"]);
            let text = format!("{name:?} has a new password; all their sessions have ended.");
            with_secret_line(text, "Password", &reset["password"])
        },
    )
}

fn reset_token(One { name, asking }: One) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let path = format!("{USERS}/{}/password-reset", user_id(operator, &name).await?);
            let mut made = operator.request(Method::POST, &path, None).await?;
            made["username"] = json!(name);
            Ok(made)
        },
        |made| {
            let text = format!(
                "With this token {:?} chooses a new password, once: POST /api/auth/reset-password with token and \
                 password. It ends {}.",
                text(&made["username"]),
                when::in_words(&made["expiresAt"])
            );
            with_secret_line(text, "Token", &made["token"])
        },
    )
}

fn remove_totp(One { name, asking }: One) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let id = user_id(operator, &name).await?;
            operator.request(Method::DELETE, &format!("{USERS}/{id}/totp"), None).await?;
            Ok(json!({ "id": id, "username": name }))
        },
        |removed| {
            let name = text(&removed["username"]);
            format!("{name:?} has no second factor any more and logs in with the password alone.")
        },
    )
}

fn delete(One { name, asking }: One) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let id = user_id(operator, &name).await?;
            operator.request(Method::DELETE, &format!("{USERS}/{id}"), None).await?;
            Ok(json!({ "id": id, "username": name }))
        },
        |deleted| format!("User {:?} was deleted.", text(&deleted["username"])),
    )
}

fn password_for(name: &str, generate: bool) -> Result<SecretString, Failure> {
    if generate {
        random_password().map_err(|e| Failure::new(format!("cannot make up a password: {e}")))
    } else {
        new_password(name)
    }
}

/// The answer with a password that was made up: one that was typed is known to who typed it.
fn with_password(mut answer: Value, generated: bool, password: &SecretString) -> Value {
    if generated {
        answer["password"] = json!(password.expose_secret());
    }
    answer
}

/// The text with a line for a secret, if there is one to show.
fn with_secret_line(text: String, what: &str, secret: &Value) -> String {
    match secret.as_str() {
        Some(secret) => format!("{text}\n{what}: {secret}"),
        None => text,
    }
}
