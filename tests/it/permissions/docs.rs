//! The documentation's table of permissions says what the code does.

use netignite::auth::permission::{Permission, Role, Scope, allowed};

const PAGE: &str = include_str!("../../../docs/permissions.md");

/// What a role may do with a permission, in the words of the table.
fn cell(role: Role, permission: Permission) -> &'static str {
    match (allowed(role, permission, Scope::Own), allowed(role, permission, Scope::Any)) {
        (true, true) => "own, any",
        (true, false) => "own",
        (false, true) => "any",
        (false, false) => "–",
    }
}

/// What a permission allows, from its documentation in the code.
fn about(permission: Permission) -> String {
    let schema = schemars::schema_for!(Permission).to_value();
    let entries = schema["oneOf"].as_array().expect("one entry a permission");
    let entry = entries.iter().find(|entry| entry["const"] == permission.name()).expect("an entry");
    let text = entry["description"].as_str().expect("a description").trim_end_matches('.');
    let (first, rest) = text.split_at(1);
    format!("{}{rest}", first.to_lowercase())
}

#[test]
fn the_printed_table_is_the_one_in_force() {
    let rows = Permission::ALL.iter().map(|&permission| {
        let [user, admin, superadmin] =
            [Role::User, Role::Admin, Role::Superadmin].map(|role| cell(role, permission));
        let about = about(permission);
        format!("| `{}` | {user} | {admin} | {superadmin} | {about} |\n", permission.name())
    });
    let table = format!(
        "| permission | user | admin | superadmin | allows to |\n|---|---|---|---|---|\n{}",
        rows.collect::<String>()
    );
    let (_, rest) = PAGE.split_once("<!-- permissions: begin -->\n").expect("the table's begin");
    let (printed, _) = rest.split_once("<!-- permissions: end -->").expect("the table's end");
    assert!(printed == table, "put this between the marks in docs/permissions.md:\n{table}");
}

#[test]
fn names_are_read_back_and_unknown_ones_are_none() {
    for &permission in Permission::ALL {
        assert_eq!(Permission::from_name(permission.name()), Some(permission));
    }
    for name in ["", "agents", "agents:", "agents:READ", "devices:*", "*", "agents:read "] {
        assert_eq!(Permission::from_name(name), None, "{name}");
    }
}

#[test]
fn nobody_reads_anothers_secrets_and_a_higher_role_never_has_less() {
    for role in [Role::User, Role::Admin, Role::Superadmin] {
        assert!(!allowed(role, Permission::AgentsSecret, Scope::Any));
    }
    for &permission in Permission::ALL {
        for scope in [Scope::Own, Scope::Any] {
            let [user, admin, superadmin] =
                [Role::User, Role::Admin, Role::Superadmin].map(|role| allowed(role, permission, scope));
            assert!(user <= admin && admin <= superadmin, "{permission:?} {scope:?}");
        }
    }
}
