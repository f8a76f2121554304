//! Two commands, or two plugins, of one name stop the start and name both places in the source. They are submitted
//! for the whole binary, so it holds nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use netignite::prelude::*;
use netignite::testing::{self, TestServer};

macro_rules! twin {
    ($name:ident) => {
        struct $name;

        impl Command for $name {
            const NAME: &'static str = "TWIN";
            const SUMMARY: &'static str = "One of two";
            type Payload = Empty;
            type Reply = Empty;

            async fn run(_: &AgentContext, _: Empty) -> Result<Empty, CommandError> {
                Ok(Empty {})
            }
        }

        impl Plugin for $name {
            const NAME: &'static str = "twin";
            const SUMMARY: &'static str = "One of two";
            type Config = Empty;

            fn new(_: Empty, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
                Ok(None)
            }
        }
    };
}

twin!(First);
twin!(Second);

const COMMANDS: [u32; 2] = [line!() + 1, line!() + 2];
register_command!(First);
register_command!(Second);

const PLUGINS: [u32; 2] = [line!() + 1, line!() + 2];
register_plugin!(First);
register_plugin!(Second);

/// Checks that a refusal names the twins and where both are.
fn names_both(said: &str, name: &str, lines: [u32; 2]) {
    assert!(said.contains(name), "{said}");
    for line in lines {
        let place = format!("{}:{line}:", file!());
        assert!(said.contains(&place), "{place} is not named: {said}");
    }
}

#[tokio::test]
async fn two_commands_of_one_name_stop_the_start_before_anything_listens() {
    let directory = tempfile::tempdir().unwrap();
    let refused =
        TestServer::start(testing::config(directory.path())).await.err().expect("it must not start");
    names_both(&refused.to_string(), "TWIN", COMMANDS);
}

#[test]
fn two_plugins_of_one_name_are_refused() {
    let refused = netignite::plugin::registered().err().expect("they must not start");
    names_both(&refused.to_string(), "twin", PLUGINS);
}
