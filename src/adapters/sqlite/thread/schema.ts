// The schema of the database, one step per version.

/** Identifies the file as a store of this package: `application_id` in its header. */
export const applicationId = 0x53504b49

/**
 * The SQL for each version, applied to the previous one. docs/guides/storage.md describes tables and columns.
 * A released step is never changed, because existing stores were created by it.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('change', 0), ('audit_sequenced', 0), ('clock_ms', 0);

  CREATE TABLE certificates (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer TEXT NOT NULL,
    serial_number TEXT NOT NULL,
    identity TEXT NOT NULL,
    key_identifier TEXT NOT NULL,
    not_after_ms INTEGER NOT NULL,
    intended_at_ms INTEGER NOT NULL,
    caller TEXT NOT NULL,
    rule TEXT NOT NULL,
    renews_issuer TEXT,
    renews_serial_number TEXT,
    idempotency_key TEXT,
    shard TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intended', 'issued', 'failed', 'lapsed')),
    tbs BLOB,
    certificate BLOB,
    revocation_reason TEXT,
    revoked_at_ms INTEGER,
    change INTEGER,
    CHECK ((state = 'issued') = (certificate IS NOT NULL)),
    CHECK ((state = 'issued') = (tbs IS NULL)),
    CHECK ((revocation_reason IS NULL) = (revoked_at_ms IS NULL)),
    CHECK ((renews_issuer IS NULL) = (renews_serial_number IS NULL))
  ) STRICT;
  CREATE UNIQUE INDEX certificates_id ON certificates (serial_number, issuer);
  CREATE UNIQUE INDEX certificates_idempotency ON certificates (idempotency_key)
    WHERE idempotency_key IS NOT NULL;
  CREATE INDEX certificates_identity ON certificates (identity);
  CREATE INDEX certificates_key ON certificates (key_identifier);
  CREATE INDEX certificates_expiry ON certificates (not_after_ms);
  CREATE INDEX certificates_intended ON certificates (intended_at_ms);
  CREATE INDEX certificates_open ON certificates (state) WHERE state <> 'issued';
  CREATE INDEX certificates_changed ON certificates (issuer, change) WHERE change IS NOT NULL;
  CREATE INDEX certificates_revoked ON certificates (revocation_reason) WHERE revocation_reason IS NOT NULL;

  CREATE TABLE crls (
    issuer TEXT NOT NULL,
    shard TEXT NOT NULL,
    number TEXT NOT NULL,
    crl BLOB NOT NULL,
    this_update_ms INTEGER NOT NULL,
    next_update_ms INTEGER NOT NULL,
    PRIMARY KEY (issuer, shard)
  ) STRICT;

  CREATE TABLE authorities (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    certificate BLOB NOT NULL,
    chain BLOB NOT NULL,
    roots BLOB NOT NULL,
    key_id TEXT NOT NULL,
    key_version INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    details TEXT
  ) STRICT;

  CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit_entries (id INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
  `,
  `
  CREATE INDEX certificates_renews ON certificates (renews_serial_number, renews_issuer)
    WHERE renews_serial_number IS NOT NULL;
  CREATE TABLE renewal_blocks (
    subject TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE one_time_values (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX one_time_values_expiry ON one_time_values (expires_at_ms);
  `,
  // An index also has the sequence of its rows, so pages in that order need no sort. The one over the reason
  // had another order and was not used.
  `
  DROP INDEX certificates_revoked;
  CREATE INDEX certificates_revoked ON certificates (sequence) WHERE revocation_reason IS NOT NULL;
  CREATE INDEX certificates_issuer ON certificates (issuer);
  `,
]
