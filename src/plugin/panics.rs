//! Panics of plugins, in words that name what panicked: a plugin's fault ends what it did, and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::JoinError;

/// What a panic said.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// Does `work`. If it panics: that it did, to be put behind what it was.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("panicked: {}", text_of(&*panic)))
}

/// Why a task brought no result, to be put behind what it was.
pub(super) fn why_it_ended(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => format!("panicked: {}", text_of(&*panic)),
        Err(error) => format!("was ended: {error}"),
    }
}
