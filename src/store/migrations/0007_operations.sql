-- Operations: what is wanted of an agent, until it is done and for a while after. Times are milliseconds since the epoch.
CREATE TABLE operations (
    key         INTEGER PRIMARY KEY, -- the time at which it was made and a number, out of the ID: newer ones are greater
    id          BLOB    NOT NULL,    -- the UUID
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    reason      TEXT,
    message     TEXT    NOT NULL,
    said        TEXT,                -- the agent's words, which are its owner's
    ownerID     INTEGER NOT NULL,    -- the user whose agent or device it is about
    agentID     INTEGER,             -- this and the following may be gone: IDs are never given again
    deviceID    INTEGER,
    command     TEXT    NOT NULL,
    payload     TEXT    NOT NULL,    -- JSON, as the following three
    result      TEXT,
    evidence    TEXT,
    progress    TEXT,
    attempts    INTEGER NOT NULL,
    maxAttempts INTEGER NOT NULL,
    createdAt   INTEGER NOT NULL,
    deliverBy   INTEGER NOT NULL,
    startedAt   INTEGER,
    endedAt     INTEGER,             -- none while it is queued or running
    makerKind   TEXT    NOT NULL,
    makerID     INTEGER,
    makerName   TEXT    NOT NULL,
    userID      INTEGER,             -- the user who made it, or whose token did
    parent      BLOB,
    runTimeout  INTEGER NOT NULL,
    repeatable  INTEGER NOT NULL,
    class       INTEGER NOT NULL,    -- its place in the agent's queue, before the time
    notBefore   INTEGER NOT NULL,
    dueAt       INTEGER,             -- when something happens to it by itself
    direct      INTEGER NOT NULL,    -- whether its caller waited and it was stored afterwards
    version     INTEGER NOT NULL     -- counts its changes
);
-- Each index ends with the key, so that what it finds is in the order of time.
CREATE INDEX operations_of_owner ON operations (ownerID);
CREATE INDEX operations_of_agent ON operations (agentID);
CREATE INDEX operations_of_device ON operations (deviceID);
-- What is live is little beside what has ended, and what is asked for most.
CREATE INDEX operations_live ON operations (endedAt) WHERE endedAt IS NULL;
CREATE INDEX operations_live_of_owner ON operations (ownerID, endedAt) WHERE endedAt IS NULL;
CREATE INDEX operations_live_of_user ON operations (userID, endedAt) WHERE endedAt IS NULL;
CREATE INDEX operations_live_of_device ON operations (deviceID, endedAt) WHERE endedAt IS NULL;
CREATE INDEX operations_live_of_agent ON operations (agentID, endedAt) WHERE endedAt IS NULL;
CREATE INDEX operations_due ON operations (dueAt) WHERE dueAt IS NOT NULL;
-- What did not succeed is little, too, and looked for.
CREATE INDEX operations_ended_badly ON operations (ownerID, state)
    WHERE state IN ('failed', 'timed_out', 'expired', 'canceled');

-- What happened to an operation, beside its making.
CREATE TABLE operation_trail (
    operation INTEGER NOT NULL REFERENCES operations (key) ON DELETE CASCADE,
    number    INTEGER NOT NULL, -- from 1
    at        INTEGER NOT NULL,
    event     TEXT    NOT NULL,
    message   TEXT    NOT NULL,
    said      TEXT,
    data      TEXT, -- JSON
    PRIMARY KEY (operation, number)
) WITHOUT ROWID;

-- Which operation a request made that may be sent again.
CREATE TABLE idempotency_keys (
    userID    INTEGER NOT NULL, -- 0 for the local operator
    method    TEXT    NOT NULL,
    path      TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    body      BLOB    NOT NULL, -- its SHA-256
    operation BLOB    NOT NULL, -- the ID
    createdAt INTEGER NOT NULL,
    PRIMARY KEY (userID, method, path, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (createdAt);
