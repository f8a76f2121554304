-- How a device is reached, woken and looked for, beyond its agent.
ALTER TABLE devices ADD COLUMN hostAgentID INTEGER REFERENCES agents (id); -- the agent that runs on the device itself
ALTER TABLE devices ADD COLUMN probePorts TEXT;       -- a JSON array of TCP ports; none for the usual ones
ALTER TABLE devices ADD COLUMN broadcastAddress TEXT; -- where magic packets go
ALTER TABLE devices ADD COLUMN secureOn BLOB;         -- sealed; what the packet ends with
ALTER TABLE devices ADD COLUMN watchInterval INTEGER; -- in seconds; none for a device that is not watched
CREATE INDEX devices_of_host_agent ON devices (hostAgentID) WHERE hostAgentID IS NOT NULL;

-- The agents that reach a device while its own is offline, in the order in which they are tried.
CREATE TABLE device_fallbacks (
    deviceID INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    agentID  INTEGER NOT NULL REFERENCES agents (id),
    PRIMARY KEY (deviceID, position)
) WITHOUT ROWID;
CREATE INDEX device_fallbacks_of_agent ON device_fallbacks (agentID);
