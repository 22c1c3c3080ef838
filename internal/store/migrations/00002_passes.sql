-- +goose Up

-- Passes that were made, to list and revoke them. A pass is verified without its row.
CREATE TABLE passes (
    id TEXT PRIMARY KEY,
    parent TEXT NOT NULL,
    service TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT NOT NULL,
    reason TEXT NOT NULL,
    allowed TEXT NOT NULL,
    secret BYTEA,
    revision BIGINT NOT NULL
);
CREATE INDEX passes_revision ON passes (revision);
CREATE INDEX passes_subject ON passes (subject, created);
CREATE INDEX passes_expires ON passes (expires);

-- Before which time passes were issued that have ended; an empty text is every service or
-- every subject.
CREATE TABLE pass_ends (
    service TEXT NOT NULL,
    subject TEXT NOT NULL,
    ended_before BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (service, subject)
);
CREATE INDEX pass_ends_revision ON pass_ends (revision);

CREATE TABLE pass_usage (
    id TEXT PRIMARY KEY,
    total BIGINT NOT NULL,
    last BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);

-- +goose Down
DROP TABLE pass_usage;
DROP TABLE pass_ends;
DROP TABLE passes;
