-- Plugins keep tables of their own, whose names begin with plugin_<name>_. Each has versions of its own.

CREATE TABLE plugin_schemas (
    plugin  TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL -- how many of the plugin's migrations were applied
) STRICT, WITHOUT ROWID;
