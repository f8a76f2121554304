-- Who gave a share: its device's or agent's owner, who never changes. Counted, so that each has a room of their own.
ALTER TABLE shares ADD COLUMN sharerID INTEGER;
UPDATE shares SET sharerID = coalesce(
    (SELECT CAST(ownerID AS INTEGER) FROM devices WHERE devices.id = shares.deviceID),
    (SELECT CAST(ownerID AS INTEGER) FROM agents WHERE agents.id = shares.agentID)
);
CREATE INDEX shares_of_sharer ON shares (sharerID, userID);
CREATE TRIGGER shares_have_a_sharer AFTER INSERT ON shares
BEGIN
    UPDATE shares SET sharerID = coalesce(
        (SELECT CAST(ownerID AS INTEGER) FROM devices WHERE devices.id = NEW.deviceID),
        (SELECT CAST(ownerID AS INTEGER) FROM agents WHERE agents.id = NEW.agentID)
    ) WHERE id = NEW.id;
END;

-- Whose an entry of the audit log is where there are too many: of a user with their tokens and agents, of the operator or
-- the server, or of somebody unknown, of whom the address is all that is known. `network` is that address' network, where
-- it is not the address itself.
ALTER TABLE audit ADD COLUMN network TEXT;
ALTER TABLE audit ADD COLUMN party TEXT AS (iif(userID IS NULL, actor, 'user ' || userID)) VIRTUAL;
ALTER TABLE audit ADD COLUMN origin TEXT AS (iif(userID IS NULL AND actor = 'nobody', coalesce(network, address, ''), '')) VIRTUAL;
DROP INDEX audit_of_refusals;
CREATE INDEX audit_by_heap ON audit (party, origin, action, outcome);

-- How many entries there are of each kind of each, so that nobody has to count them.
CREATE TABLE audit_heaps (
    party   TEXT    NOT NULL,
    origin  TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    outcome TEXT    NOT NULL,
    entries INTEGER NOT NULL,
    PRIMARY KEY (party, origin, action, outcome)
) WITHOUT ROWID;
INSERT INTO audit_heaps
    SELECT party, origin, action, outcome, count(*) FROM audit GROUP BY party, origin, action, outcome;
CREATE TRIGGER audit_heaps_grow AFTER INSERT ON audit
BEGIN
    INSERT INTO audit_heaps VALUES (NEW.party, NEW.origin, NEW.action, NEW.outcome, 1)
        ON CONFLICT DO UPDATE SET entries = entries + 1;
END;
CREATE TRIGGER audit_heaps_shrink AFTER DELETE ON audit
BEGIN
    UPDATE audit_heaps SET entries = entries - 1
        WHERE (party, origin, action, outcome) = (OLD.party, OLD.origin, OLD.action, OLD.outcome);
    DELETE FROM audit_heaps
        WHERE (party, origin, action, outcome) = (OLD.party, OLD.origin, OLD.action, OLD.outcome) AND entries <= 0;
END;
