-- Most commands are about no device: what is, alone is in the indexes that lead to it.
DROP INDEX operations_of_device;
CREATE INDEX operations_of_device ON operations (deviceID) WHERE deviceID IS NOT NULL;
DROP INDEX operations_live_of_device;
CREATE INDEX operations_live_of_device ON operations (deviceID, endedAt)
    WHERE endedAt IS NULL AND deviceID IS NOT NULL;
