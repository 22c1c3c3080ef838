-- +goose Up

-- Keys that sign JWTs; the private half is encrypted under a database key.
CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    created BIGINT NOT NULL,
    private BYTEA NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX signing_keys_revision ON signing_keys (revision);

-- What signed an API key that is a JWT, and where the status lists say whether it is revoked.
CREATE TABLE signed_keys (
    key BIGINT PRIMARY KEY REFERENCES keys (id),
    signing_key TEXT NOT NULL,
    list INTEGER NOT NULL,
    position INTEGER NOT NULL,
    UNIQUE (list, position)
);
CREATE INDEX signed_keys_signing_key ON signed_keys (signing_key);

-- +goose Down
DROP TABLE signed_keys;
DROP TABLE signing_keys;
