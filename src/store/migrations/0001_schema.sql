-- The tables of the first version. An adopted database's rows are copied into them, so no column forbids a value that
-- the original server could store: what a role, a kind, a port or an address may be is checked where they are written.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    role          TEXT    NOT NULL,
    favorites     TEXT    NOT NULL DEFAULT '[]', -- a JSON array of device IDs
    superadmin    INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE password_resets (
    token                TEXT    PRIMARY KEY,
    userid               INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expiration_timestamp INTEGER NOT NULL
);
CREATE INDEX password_resets_of_user ON password_resets (userid);

CREATE TABLE agents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    secret      TEXT    NOT NULL, -- an empty one never connects
    ownerID     INTEGER NOT NULL REFERENCES users (id)
);
CREATE INDEX agents_of_owner ON agents (ownerID);

CREATE TABLE devices (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    description TEXT,
    macAddress  TEXT    NOT NULL,
    port        INTEGER NOT NULL,
    agentID     INTEGER NOT NULL REFERENCES agents (id),
    ownerID     INTEGER NOT NULL REFERENCES users (id),
    address     TEXT -- asked for status in place of the MAC address
);
CREATE INDEX devices_of_owner ON devices (ownerID);
CREATE INDEX devices_of_agent ON devices (agentID);

-- Times are milliseconds since the epoch.
CREATE TABLE sessions (
    key       BLOB    PRIMARY KEY, -- SHA-256 of the cookie's token, which is stored nowhere
    userID    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created   INTEGER NOT NULL,
    lastUsed  INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    address   TEXT,
    userAgent TEXT
) WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (userID);
