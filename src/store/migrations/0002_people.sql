-- Tokens, shares, second factors, enrolment, the audit log, and the keys that secrets are sealed with. Times are
-- milliseconds since the epoch.

-- The keys that secrets are sealed with, themselves sealed with the master key, which is not in the database.
CREATE TABLE data_keys (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    wrapped BLOB    NOT NULL,
    created INTEGER NOT NULL,
    wiped   INTEGER NOT NULL -- whether free pages hold nothing any more of what was stored plain before this key
);

-- Agents' secrets are sealed from here on, in the column they always had; an empty one is none.

-- The secret before the last rotation, good until then or until the first login with the new one.
ALTER TABLE agents ADD COLUMN oldSecret BLOB; -- sealed
ALTER TABLE agents ADD COLUMN oldSecretUntil INTEGER;

CREATE TABLE tokens (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    userID      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    hash        BLOB    NOT NULL UNIQUE, -- SHA-256 of the token, which is stored nowhere
    permissions TEXT    NOT NULL,        -- a JSON array of permissions' names
    deviceIDs   TEXT,                    -- a JSON array; none for all of the user's
    created     INTEGER NOT NULL,
    expires     INTEGER,
    lastUsed    INTEGER
);
CREATE INDEX tokens_of_user ON tokens (userID);

-- A device, or all devices of an agent, which another user may see.
CREATE TABLE shares (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    deviceID    INTEGER REFERENCES devices (id) ON DELETE CASCADE,
    agentID     INTEGER REFERENCES agents (id) ON DELETE CASCADE,
    userID      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    mayWake     INTEGER NOT NULL, -- whether the user may wake them as well
    created     INTEGER NOT NULL,
    expires     INTEGER,
    CHECK ((deviceID IS NULL) <> (agentID IS NULL))
);
-- One share of a thing with a user: NULLs differ from each other.
CREATE UNIQUE INDEX shares_of_device ON shares (deviceID, userID);
CREATE UNIQUE INDEX shares_of_agent ON shares (agentID, userID);
CREATE INDEX shares_of_user ON shares (userID);
CREATE INDEX shares_by_end ON shares (expires);

CREATE TABLE second_factors (
    userID    INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    seed      BLOB    NOT NULL, -- sealed
    confirmed INTEGER,          -- when; none while it is being set up
    lastStep  INTEGER           -- the time step of the last code taken; none of it or before is taken again
);
CREATE TABLE recovery_codes (
    userID INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash   BLOB    NOT NULL, -- SHA-256 of the code
    PRIMARY KEY (userID, hash)
) WITHOUT ROWID;

CREATE TABLE enrolment_codes (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    userID   INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash     BLOB    NOT NULL UNIQUE, -- SHA-256 of the code, which is stored nowhere
    name     TEXT,
    type     TEXT    NOT NULL,        -- of the agents it makes
    usesLeft INTEGER NOT NULL,        -- a code without any is deleted
    created  INTEGER NOT NULL,
    expires  INTEGER NOT NULL
);
CREATE INDEX enrolment_codes_of_user ON enrolment_codes (userID);

-- What the original server left in this table are tokens as they were sent, long expired.
DROP TABLE password_resets;
CREATE TABLE password_resets (
    hash    BLOB    PRIMARY KEY, -- SHA-256 of the token
    userID  INTEGER NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

-- Who did what. Names are kept as they were then; what they named may be gone.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL, -- nobody, user, token, agent, operator or server
    actorID    INTEGER,
    actorName  TEXT,
    userID     INTEGER,          -- the user who acted, or whose token or agent did
    action     TEXT    NOT NULL,
    target     TEXT,             -- what kind of thing it was done to
    targetID   INTEGER,
    targetName TEXT,
    address    TEXT,
    outcome    TEXT    NOT NULL, -- done, refused or failed
    detail     TEXT,
    count      INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX audit_by_time ON audit (at);
-- What goes first where there are too many.
CREATE INDEX audit_of_refusals ON audit (id) WHERE outcome = 'refused';
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
