-- One dialect for SQLite and PostgreSQL. Times are seconds since 1970, 0 for never; texts
-- named after lists and objects hold JSON.

-- +goose Up

-- Every change takes the next value while it holds this row, so that revisions are
-- committed in their order.
CREATE TABLE revision (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO revision (id, value) VALUES (1, 0);

CREATE TABLE people (
    id BIGINT PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    login TEXT NOT NULL,
    email TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    seen BIGINT NOT NULL,
    roles TEXT NOT NULL,
    member_of TEXT NOT NULL,
    revision BIGINT NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE INDEX people_revision ON people (revision);

CREATE TABLE keys (
    id BIGINT PRIMARY KEY,
    kind SMALLINT NOT NULL,
    pepper BIGINT NOT NULL,
    hash BYTEA UNIQUE,
    number BIGINT UNIQUE,
    person BIGINT REFERENCES people (id),
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    note TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT NOT NULL,
    reason TEXT NOT NULL,
    replaces BIGINT NOT NULL,
    restrictions TEXT NOT NULL,
    config TEXT NOT NULL,
    services TEXT NOT NULL,
    grants TEXT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX keys_revision ON keys (revision);
CREATE INDEX keys_person ON keys (person);

CREATE TABLE usage (
    key BIGINT PRIMARY KEY,
    total BIGINT NOT NULL,
    last BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);

CREATE TABLE usage_days (
    key BIGINT NOT NULL,
    day INTEGER NOT NULL, -- since 1970
    total BIGINT NOT NULL,
    PRIMARY KEY (key, day)
);

CREATE TABLE events (
    revision BIGINT NOT NULL,
    number INTEGER NOT NULL, -- within the revision
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    key BIGINT NOT NULL,
    person BIGINT NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (revision, number)
);
CREATE INDEX events_key ON events (key, revision);
CREATE INDEX events_person ON events (person, revision);

-- +goose Down
DROP TABLE events;
DROP TABLE usage_days;
DROP TABLE usage;
DROP TABLE keys;
DROP TABLE people;
DROP TABLE revision;
