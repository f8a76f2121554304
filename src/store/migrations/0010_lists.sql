-- What lists are searched and sorted by. Names are folded by the program, which fills the first column of each table.
ALTER TABLE agents ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN search TEXT NOT NULL DEFAULT '';

-- The state of the newest change of a device's presence.
ALTER TABLE devices ADD COLUMN presence TEXT NOT NULL DEFAULT 'unknown';
UPDATE devices SET presence = coalesce(
    (SELECT state FROM device_presence WHERE deviceID = devices.id ORDER BY id DESC LIMIT 1), 'unknown');
CREATE TRIGGER device_presence_is_kept AFTER INSERT ON device_presence
BEGIN
    UPDATE devices SET presence = NEW.state WHERE id = NEW.deviceID;
END;
