//! What server and agent may say to each other beyond commands and replies: each names what it understands when they
//! shake hands, so that neither sends what the other does not know.

/// What one side understands, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AgentFeatures {
    /// How far a command is: `PROGRESS`, from the agent.
    pub progress: bool,
    /// That a command is to end: `CANCEL`, from the server.
    pub cancel: bool,
}

impl AgentFeatures {
    /// All that this program understands.
    pub const ALL: Self = Self { progress: true, cancel: true };

    /// Reads a list such as `progress,cancel`. Words that are not known are passed over.
    pub fn read(list: &str) -> Self {
        let names = |feature: &str| list.split(',').any(|word| word.trim() == feature);
        Self { progress: names("progress"), cancel: names("cancel") }
    }

    /// As it is written; none where there is nothing to write.
    pub fn text(self) -> Option<&'static str> {
        match (self.progress, self.cancel) {
            (true, true) => Some("progress,cancel"),
            (true, false) => Some("progress"),
            (false, true) => Some("cancel"),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_other_words_are_passed_over() {
        for progress in [false, true] {
            for cancel in [false, true] {
                let features = AgentFeatures { progress, cancel };
                assert_eq!(AgentFeatures::read(features.text().unwrap_or_default()), features);
            }
        }
        assert_eq!(
            AgentFeatures::read("telepathy, cancel ,PROGRESS,,progressive"),
            AgentFeatures { progress: false, cancel: true }
        );
    }
}
