-- What came to be of devices: each change of their presence. What was seen without a change is not kept.
CREATE TABLE device_presence (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    deviceID INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    at       INTEGER NOT NULL, -- milliseconds since the epoch
    state    TEXT    NOT NULL,
    method   TEXT,
    why      TEXT    NOT NULL
);
CREATE INDEX device_presence_of_device ON device_presence (deviceID);
