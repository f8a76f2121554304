-- The SHA-256 of each migration of a plugin that was applied, in hexadecimal, one a line. Empty where they were applied
-- before this was kept.

ALTER TABLE plugin_schemas ADD COLUMN digests TEXT NOT NULL DEFAULT '';
