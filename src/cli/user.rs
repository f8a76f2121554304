//! `netignite user add|list|reset-password|remove-totp`: calls of the API as the local operator.

use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::failure::Failure;
use super::operator::{Operator, with_database};
use super::password::new_password;
use super::{ConfigArguments, block_on, keep_files_private, output};
use crate::auth::first_admin::random_password;
use crate::http::Method;

const USERS: &str = "/api/admin/users";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user; the password is asked for, or read from standard input
    Add(Add),
    /// List all users
    List(List),
    /// Give a user a new password and end their sessions; the password is asked for, or read from standard input
    ResetPassword(ResetPassword),
    /// Remove the second factor of a user who lost the app and the recovery codes
    RemoveTotp(RemoveTotp),
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
    config: ConfigArguments,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

#[derive(Debug, Args)]
pub(super) struct ResetPassword {
    /// The user's name
    name: String,
    /// Make up a password and print it
    #[arg(long)]
    generate: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

#[derive(Debug, Args)]
pub(super) struct RemoveTotp {
    /// The user's name
    name: String,
    #[command(flatten)]
    config: ConfigArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Manages what is theirs
    User,
    /// Manages users too, and everyone's agents and devices
    Admin,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    keep_files_private();
    match command {
        Command::Add(arguments) => add(arguments),
        Command::List(arguments) => list(arguments),
        Command::ResetPassword(arguments) => reset_password(arguments),
        Command::RemoveTotp(arguments) => remove_totp(arguments),
    }
}

fn add(arguments: Add) -> Result<(), Failure> {
    let config = arguments.config.load()?.config;
    let password = password_for(&arguments.name, arguments.generate)?;
    let body = json!({
        "username": arguments.name,
        "password": password.expose_secret(),
        "role": arguments.role.word(),
    });
    let id = block_on(async {
        let operator = Operator::open(config).await?;
        let id = operator.request(Method::POST, USERS, Some(&body)).await;
        operator.close().await;
        id
    })?;
    output::print(format_args!("User {:?} was added with ID {id}.", arguments.name))?;
    show(arguments.generate, &password)
}

fn list(arguments: List) -> Result<(), Failure> {
    let config = with_database(arguments.config)?;
    let users = block_on(async {
        let operator = Operator::open(config).await?;
        let users = operator.request(Method::GET, USERS, None).await;
        operator.close().await;
        users
    })?;
    if arguments.json {
        return output::print_json(&users);
    }
    let text = |user: &Value, key: &str| match &user[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |user: &Value| ["id", "username", "role"].map(|key| text(user, key)).to_vec();
    let rows: Vec<_> = users.as_array().into_iter().flatten().map(row).collect();
    output::print(output::table(&["ID", "NAME", "ROLE"], &rows))
}

fn reset_password(arguments: ResetPassword) -> Result<(), Failure> {
    let config = with_database(arguments.config)?;
    let name = arguments.name;
    let password = block_on(async {
        let operator = Operator::open(config).await?;
        let done = give_password(&operator, &name, arguments.generate).await;
        operator.close().await;
        done
    })?;
    output::print(format_args!("{name:?} has a new password; all their sessions have ended."))?;
    show(arguments.generate, &password)
}

async fn give_password(operator: &Operator, name: &str, generate: bool) -> Result<SecretString, Failure> {
    let path = path_of(operator, name).await?;
    // Asked for only now: nobody wants to type a password for a user who does not exist.
    let password = password_for(name, generate)?;
    let body = json!({ "password": password.expose_secret() });
    operator.request(Method::PUT, &path, Some(&body)).await?;
    Ok(password)
}

fn remove_totp(arguments: RemoveTotp) -> Result<(), Failure> {
    let config = with_database(arguments.config)?;
    let name = arguments.name;
    block_on(async {
        let operator = Operator::open(config).await?;
        let done = async {
            let path = format!("{}/totp", path_of(&operator, &name).await?);
            operator.request(Method::DELETE, &path, None).await
        };
        let done = done.await;
        operator.close().await;
        done
    })?;
    output::print(format_args!("{name:?} has no second factor any more and logs in with the password alone."))
}

/// Where the API has the user of a name.
async fn path_of(operator: &Operator, name: &str) -> Result<String, Failure> {
    let users = operator.request(Method::GET, USERS, None).await?;
    let user = users.as_array().into_iter().flatten().find(|user| user["username"] == name);
    match user {
        Some(user) => Ok(format!("{USERS}/{}", user["id"])),
        None => Err(Failure::new(format!("there is no user {name:?}; `netignite user list` shows all"))),
    }
}

fn password_for(name: &str, generate: bool) -> Result<SecretString, Failure> {
    if generate {
        random_password().map_err(|e| Failure::new(format!("cannot make up a password: {e}")))
    } else {
        new_password(name)
    }
}

fn show(generated: bool, password: &SecretString) -> Result<(), Failure> {
    if generated { output::print(format_args!("Password: {}", password.expose_secret())) } else { Ok(()) }
}
