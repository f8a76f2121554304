//! `netignite openapi`: the API of this program as an OpenAPI document, without a server.

use super::failure::Failure;
use super::{block_on, keep_files_private, output};
use crate::bootstrap;

pub(super) fn run() -> Result<(), Failure> {
    keep_files_private();
    let document = block_on(async { Ok(bootstrap::document().await?) })?;
    output::print_json(&document)
}
