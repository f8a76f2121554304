//! LOAD_AVERAGE: asks an agent how busy its machine is.

use netignite::prelude::*;

/// Where Linux tells it.
const FILE: &str = "/proc/loadavg";

/// How many processes wanted to run, on average.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Load {
    /// Over the last minute.
    pub(crate) one_minute: f64,
    /// Over the last five minutes.
    pub(crate) five_minutes: f64,
    /// Over the last fifteen minutes.
    pub(crate) fifteen_minutes: f64,
}

/// See the module.
pub(crate) struct LoadAverage;

impl Command for LoadAverage {
    const NAME: &'static str = "LOAD_AVERAGE";
    const SUMMARY: &'static str = "Ask how busy the agent's machine is";
    const IDEMPOTENT: bool = true;
    const CLASS: Class = Class::Question;

    type Payload = Empty;
    type Reply = Load;

    async fn run(_: &AgentContext, _: Empty) -> Result<Load, CommandError> {
        let text = std::fs::read_to_string(FILE)
            .map_err(|e| CommandError::new("unreadable", format!("{FILE}: {e}")))?;
        parse(&text).ok_or_else(|| {
            CommandError::new("unreadable", format!("{FILE} is not what it was expected to be"))
        })
    }
}

fn parse(text: &str) -> Option<Load> {
    let mut numbers = text.split(' ').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Load { one_minute: next()?, five_minutes: next()?, fifteen_minutes: next()? })
}

register_command!(LoadAverage);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read() {
        let load = parse("0.52 1.58 10.59 3/467 3571\n");
        let numbers = load.map(|load| [load.one_minute, load.five_minutes, load.fifteen_minutes]);
        assert_eq!(numbers, Some([0.52, 1.58, 10.59]));
        assert!(parse("nonsense").is_none());
    }
}
