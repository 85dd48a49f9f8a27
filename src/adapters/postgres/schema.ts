// The schema of the database, one step per version.

/**
 * The SQL for each version, applied to the previous one; `S` is the quoted name of the schema.
 * docs/guides/storage.md describes tables and columns. A released step is never changed, because existing
 * stores were created by it.
 */
export const migrations: readonly ((S: string) => string)[] = [
  (S) => `
  CREATE TABLE ${S}.settings (name text COLLATE "C" PRIMARY KEY, value text NOT NULL);
  CREATE TABLE ${S}.counters (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL);
  INSERT INTO ${S}.counters VALUES ('change', 0), ('audit_sequenced', 0), ('clock_ms', 0);

  CREATE TABLE ${S}.certificates (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer text COLLATE "C" NOT NULL,
    serial_number text COLLATE "C" NOT NULL,
    identity text COLLATE "C" NOT NULL,
    key_identifier text COLLATE "C" NOT NULL,
    not_after_ms bigint NOT NULL,
    intended_at_ms bigint NOT NULL,
    caller text NOT NULL,
    rule text NOT NULL,
    renews_issuer text COLLATE "C",
    renews_serial_number text COLLATE "C",
    idempotency_key text COLLATE "C",
    shard text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('intended', 'issued', 'failed', 'lapsed')),
    tbs bytea,
    certificate bytea,
    revocation_reason text COLLATE "C",
    revoked_at_ms bigint,
    change bigint,
    CHECK ((state = 'issued') = (certificate IS NOT NULL)),
    CHECK ((state = 'issued') = (tbs IS NULL)),
    CHECK ((revocation_reason IS NULL) = (revoked_at_ms IS NULL)),
    CHECK ((renews_issuer IS NULL) = (renews_serial_number IS NULL))
  );
  CREATE UNIQUE INDEX certificates_id ON ${S}.certificates (serial_number, issuer);
  CREATE UNIQUE INDEX certificates_idempotency ON ${S}.certificates (idempotency_key)
    WHERE idempotency_key IS NOT NULL;
  CREATE INDEX certificates_identity ON ${S}.certificates (identity, sequence);
  CREATE INDEX certificates_key ON ${S}.certificates (key_identifier, sequence);
  CREATE INDEX certificates_expiry ON ${S}.certificates (not_after_ms, sequence);
  CREATE INDEX certificates_intended ON ${S}.certificates (intended_at_ms);
  CREATE INDEX certificates_open ON ${S}.certificates (state, not_after_ms) WHERE state <> 'issued';
  CREATE INDEX certificates_changed ON ${S}.certificates (issuer, change) WHERE change IS NOT NULL;
  CREATE INDEX certificates_revoked ON ${S}.certificates (sequence) WHERE revocation_reason IS NOT NULL;

  CREATE TABLE ${S}.crls (
    issuer text COLLATE "C" NOT NULL,
    shard text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL,
    crl bytea NOT NULL,
    this_update_ms bigint NOT NULL,
    next_update_ms bigint NOT NULL,
    PRIMARY KEY (issuer, shard)
  );

  CREATE TABLE ${S}.authorities (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    state text COLLATE "C" NOT NULL,
    certificate bytea NOT NULL,
    chain bytea NOT NULL,
    roots bytea NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    key_version bigint NOT NULL,
    since_ms bigint NOT NULL,
    version bigint NOT NULL,
    details text
  );

  CREATE TABLE ${S}.leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    expires_at_ms bigint NOT NULL
  );

  CREATE TABLE ${S}.audit_pending (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry bytea NOT NULL);
  CREATE TABLE ${S}.audit_entries (id bigint PRIMARY KEY, entry bytea NOT NULL);
  `,
  (S) => `
  CREATE INDEX certificates_renews ON ${S}.certificates (renews_serial_number, renews_issuer)
    WHERE renews_serial_number IS NOT NULL;
  CREATE TABLE ${S}.renewal_blocks (
    subject text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL,
    since_ms bigint NOT NULL
  );
  `,
  (S) => `
  CREATE TABLE ${S}.one_time_values (
    key text COLLATE "C" PRIMARY KEY,
    value text NOT NULL,
    expires_at_ms bigint NOT NULL
  );
  CREATE INDEX one_time_values_expiry ON ${S}.one_time_values (expires_at_ms);
  `,
  // With the sequence, so that pages in the order of the query need no sort.
  (S) => `
  DROP INDEX ${S}.certificates_intended;
  CREATE INDEX certificates_intended ON ${S}.certificates (intended_at_ms, sequence);
  CREATE INDEX certificates_issuer ON ${S}.certificates (issuer, sequence);
  `,
]
