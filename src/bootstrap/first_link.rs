//! The link of a first start, with which the first admin chooses a password on the page and is signed in.
//!
//! What is logged is kept: in files, by systemd, by whatever runs containers. So the link is never logged. It is written
//! to a terminal past the log, where somebody sits who just started the server; else to a file for its owner alone, which
//! the log names. What runs as the first process is in a container, whose terminal is kept too.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tracing::warn;

use super::StartError;
use crate::auth::first_admin;
use crate::config::LogFormat;
use crate::domain::password_reset;
use crate::files;
use crate::host::Host;

/// Makes the link and hands it to whoever started the server; `page` is where the page lies.
pub(super) async fn hand_over(host: &Arc<Host>, page: &str) {
    match make(host, page).await {
        Ok(None) => {}
        Ok(Some(path)) => warn!(
            "or choose that password in a browser: the link in {} is good once, within 24 hours",
            path.display()
        ),
        Err(e) => warn!("there is no link for the first sign-in, use the password: {e}"),
    }
}

/// Makes the link and shows it. Answers the file that holds it, where there is nobody to show it to.
async fn make(host: &Arc<Host>, page: &str) -> Result<Option<PathBuf>, StartError> {
    let token = password_reset::issue_first(host).await.map_err(StartError::new)?;
    let link = SecretString::from(format!("{page}welcome#token={}", token.expose_secret()));
    let config = host.config.load();
    if is_seen(config.log.format) && show(&link).is_ok() {
        return Ok(None);
    }
    let directory = config.data_directory.clone();
    let path = first_admin::link_path(&directory);
    let written = tokio::task::spawn_blocking(move || first_admin::write_link(&directory, &link)).await;
    written.map_err(StartError::new)?.map(Some).map_err(|e| {
        StartError::new(format_args!("cannot write {}: {e}; {}", path.display(), files::remedy(&e)))
    })
}

/// Whether somebody sees what is written to standard error, and nothing keeps it.
fn is_seen(format: LogFormat) -> bool {
    io::stderr().is_terminal() && format != LogFormat::Json && std::process::id() != 1
}

fn show(link: &SecretString) -> io::Result<()> {
    let link = link.expose_secret();
    let text = format!(
        "\n  Choose the first admin's password here. The link is good once, within 24 hours:\n\n    {link}\n\n"
    );
    // In one piece, so that no line of the log comes between.
    io::stderr().lock().write_all(text.as_bytes())
}
