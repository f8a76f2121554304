-- What leads to the pages of lists, once there is what they are sorted by. Each ends with the ID: of an owner's rows, and of
-- everyone's.
CREATE INDEX agents_of_owner_by_name ON agents (ownerID, search);
CREATE INDEX agents_by_name ON agents (search);
CREATE INDEX agents_of_owner_by_type ON agents (ownerID, type);
CREATE INDEX agents_by_type ON agents (type);
CREATE INDEX devices_of_owner_by_name ON devices (ownerID, search);
CREATE INDEX devices_by_name ON devices (search);
CREATE INDEX devices_of_owner_by_type ON devices (ownerID, type);
CREATE INDEX devices_by_type ON devices (type);
CREATE INDEX devices_of_owner_by_presence ON devices (ownerID, presence);
CREATE INDEX devices_by_presence ON devices (presence);
