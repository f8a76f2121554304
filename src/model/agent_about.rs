//! What an agent says of itself in its handshake: `NetIgnite-Agent: <version>; commands=A,B; features=progress,cancel`.
//!
//! A fleet says the same few things over and over, so whoever remembers them keeps each once and shares it. The part of
//! a list of agents that shows it is written once, too.

use serde::Serialize;

use super::agent_features::AgentFeatures;

/// The longest header that is read.
pub const LONGEST: usize = 4096;
/// The longest version that is read.
const LONGEST_VERSION: usize = 64;
/// As many commands are read.
const COMMANDS: usize = 256;
/// The commands of firmware that does not say which it has.
pub const BASE_COMMANDS: [&str; 3] = ["GET_STATUS", "HEARTBEAT", "WAKEUP"];

/// The longest name of a command.
pub const LONGEST_NAME: usize = 32;

/// Whether `name` can be a command's: 1 to 32 characters of `A-Z`, `0-9` and `_`.
pub const fn is_command_name(name: &str) -> bool {
    let name = name.as_bytes();
    let mut at = 0;
    while at < name.len() {
        if !(name[at].is_ascii_uppercase() || name[at].is_ascii_digit() || name[at] == b'_') {
            return false;
        }
        at += 1;
    }
    !name.is_empty() && name.len() <= LONGEST_NAME
}

/// Whether an agent has a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supported {
    /// It has it: it said so, or every agent does.
    Yes,
    /// It does not, or its configuration does not allow it: it said so, or answered that it does not know it.
    No,
    /// It does not say what it has, and was not asked yet; or nobody knows the agent.
    Unknown,
}

/// What an agent says of itself.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct AgentAbout {
    version: Box<str>,
    /// Sorted; none if it does not say.
    commands: Option<Box<[Box<str>]>>,
    features: AgentFeatures,
    json: Box<str>,
}

impl AgentAbout {
    /// Reads the header's text; none if that is not what an agent says of itself. Parameters that are not known are
    /// passed over.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut parts = text.split(';').map(str::trim);
        let version = parts.next()?;
        let visible = version.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\<>&,".contains(&b));
        if version.is_empty() || version.len() > LONGEST_VERSION || !visible {
            return None;
        }
        let (mut commands, mut features) = (None, AgentFeatures::default());
        for parameter in parts.filter(|part| !part.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("features") {
                features = AgentFeatures::read(value);
            }
            if !name.trim().eq_ignore_ascii_case("commands") {
                continue;
            }
            let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
            let mut names: Vec<Box<str>> =
                names.map(|name| is_command_name(name).then(|| name.into())).collect::<Option<_>>()?;
            names.sort_unstable();
            names.dedup();
            if commands.is_some() || names.len() > COMMANDS {
                return None;
            }
            commands = Some(names.into_boxed_slice());
        }
        let json = written(Some(version), commands.as_deref());
        Some(Self { version: version.into(), commands, features, json: json.into() })
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The commands that it has and that its configuration allows, sorted; none if it does not say.
    pub fn commands(&self) -> Option<&[Box<str>]> {
        self.commands.as_deref()
    }

    /// What it understands beyond commands.
    pub fn features(&self) -> AgentFeatures {
        self.features
    }

    /// Whether it has a command, as far as it says so.
    pub fn supports(&self, command: &str) -> Supported {
        match &self.commands {
            None => Supported::Unknown,
            Some(names) if names.binary_search_by(|name| (**name).cmp(command)).is_ok() => Supported::Yes,
            Some(_) => Supported::No,
        }
    }

    /// The fields `version` and `commands` of an agent's JSON, without braces.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The same fields of an agent that says nothing of itself.
    pub fn no_json() -> &'static str {
        r#""version":null,"commands":null"#
    }
}

fn written(version: Option<&str>, commands: Option<&[Box<str>]>) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        version: Option<&'a str>,
        commands: Option<&'a [Box<str>]>,
    }
    // Texts and lists of texts can always be written.
    let json = serde_json::to_string(&Fields { version, commands }).unwrap_or_default();
    json.trim_start_matches('{').trim_end_matches('}').to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn version_and_commands_are_read_and_others_passed_over() {
        let about = AgentAbout::parse("0.3.1; commands=WAKEUP,HEARTBEAT,WAKEUP; later=1").unwrap();
        assert_eq!(about.version(), "0.3.1");
        assert_eq!(about.commands().unwrap(), ["HEARTBEAT".into(), "WAKEUP".into()]);
        assert_eq!(about.json(), r#""version":"0.3.1","commands":["HEARTBEAT","WAKEUP"]"#);
        assert_eq!(about.supports("WAKEUP"), Supported::Yes);
        assert_eq!(about.supports("PROBE"), Supported::No);
        let silent = AgentAbout::parse("esp32-2.0").unwrap();
        assert_eq!((silent.commands(), silent.supports("PROBE")), (None, Supported::Unknown));
        assert_eq!(silent.json(), r#""version":"esp32-2.0","commands":null"#);
        assert_eq!(written(None, None), AgentAbout::no_json());
        assert_eq!(AgentAbout::parse("1; commands=").unwrap().supports("WAKEUP"), Supported::No);
        assert_eq!(about.features(), AgentFeatures::default());
        let able = AgentAbout::parse("1; features=cancel,later; commands=A").unwrap();
        assert_eq!(able.features(), AgentFeatures { progress: false, cancel: true });
    }

    #[test]
    fn what_is_too_long_or_no_such_text_is_not_read() {
        let many = (0..COMMANDS + 1).map(|n| format!("C{n}")).collect::<Vec<_>>().join(",");
        for bad in [
            "",
            "; commands=A",
            "a b; commands=A",
            "<b>; commands=A",
            "1; commands=wakeup",
            "1; commands=A B",
            "1; commands=A; commands=B",
            "1; commands",
            &format!("1; commands={many}"),
            &format!("1; commands={}", "X".repeat(33)),
            &format!("1; commands={}", " ".repeat(LONGEST)),
            &"1".repeat(65),
        ] {
            assert_eq!(AgentAbout::parse(bad), None, "{bad:?}");
        }
    }
}
