//! `netignite plugins` and `netignite routes`: what this program was built with.

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::{ConfigArguments, block_on, output};
use crate::bootstrap;
use crate::config::Config;
use crate::config::section;
use crate::plugin;
use crate::rest::Route;

#[derive(Debug, Args)]
pub(super) struct Plugins {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn plugins(arguments: &Plugins) -> Result<(), Failure> {
    let entries = plugin::registered().map_err(Failure::new)?;
    let sections = section::registered()?;
    let view = |entry: &&plugin::PluginEntry| {
        let defaults = sections.iter().find(|section| section.name == entry.name);
        json!({
            "name": entry.name,
            "summary": entry.summary,
            "registered": entry.location.to_string(),
            "defaults": defaults.map_or(Value::Null, |section| (section.default_config)()),
            "tables": !entry.migrations.is_empty(),
            "subcommand": (entry.subcommand)().is_some(),
        })
    };
    if arguments.json {
        return output::print_json(&entries.iter().map(view).collect::<Vec<_>>());
    }
    let row = |entry: &&plugin::PluginEntry| {
        vec![entry.name.to_owned(), entry.location.to_string(), entry.summary.to_owned()]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    output::print(output::table(&["NAME", "REGISTERED AT", "SUMMARY"], &rows))
}

#[derive(Debug, Args)]
pub(super) struct Routes {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn routes(arguments: Routes) -> Result<(), Failure> {
    let Routes { json, config } = arguments;
    let plugins = config.load()?.config.plugins;
    let routes = block_on(async { Ok(bootstrap::routes(Config { plugins, ..Config::default() }).await?) })?;
    let of = |plugin: &Option<&'static str>| plugin.unwrap_or("-").to_owned();
    if json {
        let view = |(plugin, route): &(Option<&'static str>, Route)| {
            json!({
                "method": route.method.as_str(),
                "path": route.path,
                "access": format!("{:?}", route.access),
                "plugin": plugin,
                "summary": route.summary,
            })
        };
        return output::print_json(&routes.iter().map(view).collect::<Vec<_>>());
    }
    let row = |(plugin, route): &(Option<&'static str>, Route)| {
        vec![
            route.method.to_string(),
            route.path.to_string(),
            format!("{:?}", route.access),
            of(plugin),
            route.summary.to_owned(),
        ]
    };
    let rows: Vec<_> = routes.iter().map(row).collect();
    output::print(output::table(&["METHOD", "PATH", "OPEN TO", "PLUGIN", "SUMMARY"], &rows))
}
