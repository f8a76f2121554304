//! An event as readers get it.

use std::cell::OnceCell;

use bytes::Bytes;

use super::occurrence::Occurrence;
use super::{Show, View};
use crate::model::reach::Right;

/// An event as it is shown, made once a view.
pub(super) struct Shown<'a> {
    event: &'a Occurrence,
    show: Show,
    views: [OnceCell<Option<Bytes>>; 4],
}

impl<'a> Shown<'a> {
    pub(super) fn new(event: &'a Occurrence, show: Show) -> Self {
        Self { event, show, views: Default::default() }
    }

    pub(super) fn of(&self, view: View) -> Option<Bytes> {
        let at = match view {
            View::Whole => 0,
            View::Shared(Right::View) => 1,
            View::Shared(Right::Wake) => 2,
            View::Asked => 3,
        };
        let made = self.views[at].get_or_init(|| {
            let shown = (self.show)(self.event, view);
            shown.inspect_err(|e| tracing::error!("an event cannot be shown: {e}")).ok()
        });
        made.clone()
    }
}
