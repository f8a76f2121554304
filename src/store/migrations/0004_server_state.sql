-- What the server knows of itself: until when it has lived, in milliseconds since the epoch, and what it writes to see
-- whether it can.
CREATE TABLE server_state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    lived   INTEGER,
    written INTEGER NOT NULL DEFAULT 0,
    filler  BLOB
);
INSERT INTO server_state (id) VALUES (1);
