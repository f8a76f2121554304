-- What is made for somebody else to use is good as long as its maker may make it.

-- Whoever made these was not noted, and they live for an hour.
DELETE FROM password_resets;
-- The user who made it; none for the local operator.
ALTER TABLE password_resets ADD COLUMN issuerID INTEGER REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX password_resets_of_issuer ON password_resets (issuerID);

-- The token it was made with; none for a person.
ALTER TABLE enrolment_codes ADD COLUMN tokenID INTEGER REFERENCES tokens (id) ON DELETE CASCADE;
CREATE INDEX enrolment_codes_of_token ON enrolment_codes (tokenID);
