-- When users were made and logged in last, in milliseconds since the epoch; none where that is not known.
ALTER TABLE users ADD COLUMN createdAt INTEGER;
ALTER TABLE users ADD COLUMN lastLogin INTEGER;
-- As far as it can still be seen. IDs are never given again.
UPDATE users SET
    createdAt = (SELECT min(at) FROM audit
                 WHERE action = 'user.create' AND outcome = 'done' AND target = 'user' AND targetID = users.id),
    lastLogin = (SELECT max(created) FROM sessions WHERE userID = users.id);
