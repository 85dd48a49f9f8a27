// The catalogue of error codes, which a test compares with `docs/errors.md` in both directions.

/**
 * Every code that this package throws or reports, with its meaning. A code,
 * once released, never changes its meaning.
 */
export const errorCodes = {
  // general
  ERR_INVALID_ARGUMENT: 'The API was called with a value of the wrong type, shape or range.',
  ERR_LIMIT_EXCEEDED: 'An input is larger, longer or deeper than the stated limit.',
  ERR_ABORTED: 'The operation was stopped by its AbortSignal or because its owner was closed.',
  ERR_TIMEOUT: 'The operation did not end within its time limit.',
  ERR_CLOSED: 'The object was closed and can no longer be used.',
  ERR_PEER_NOT_INSTALLED: 'An optional dependency that this operation requires is not installed.',
  ERR_INTERNAL: 'An invariant of this package does not hold. Please report it.',

  // der
  ERR_DER: 'The bytes are not strict DER, or not of the expected ASN.1 type (X.690).',
  ERR_DER_DEPTH: 'The DER is nested deeper than the limit.',
  ERR_OID_INVALID: 'The object identifier is malformed or longer than the limit.',
  ERR_TIME_INVALID:
    'The UTCTime or GeneralizedTime is malformed or not in the form of RFC 5280 section 4.1.2.5.',
  ERR_STRING_INVALID: 'The octets are not valid for the ASN.1 string type.',

  // text forms
  ERR_PEM: 'The text has no PEM block with the expected label, more than one, or a malformed one (RFC 7468).',
  ERR_BASE64: 'The text is not canonical base64 or base64url.',
  ERR_JSON:
    'The text is malformed JSON, repeats a key in one object, or has a key such as __proto__ (RFC 8259).',

  // runtime: remote documents
  ERR_FETCH_REFUSED: 'A URL, the address of its host or a redirect is not allowed; nothing was sent there.',
  ERR_FETCH_FAILED: 'A remote document could not be fetched, or the response is not the expected document.',

  // x509
  ERR_CERTIFICATE_MALFORMED: 'The bytes are not a certificate as RFC 5280 section 4 defines it.',
  ERR_CSR_MALFORMED: 'The bytes are not a certification request (RFC 2986).',
  ERR_CSR_TOO_LARGE: 'The certification request is larger than the limit.',
  ERR_CSR_SIGNATURE: 'The signature of the certification request does not verify: no proof of possession.',
  ERR_OCSP_MALFORMED: 'The bytes are not an OCSP request or response as RFC 6960 section 4 defines them.',
  ERR_CRL_MALFORMED: 'The bytes are not a certificate revocation list as RFC 5280 section 5 defines it.',
  ERR_EXTENSION_MALFORMED: 'The value of a known extension is not what RFC 5280 section 4.2 defines.',
  ERR_EXTENSION_DUPLICATE: 'An extension appears more than once (RFC 5280 section 4.2).',
  ERR_NAME_INVALID: 'A distinguished name or general name is malformed.',
  ERR_SERIAL_INVALID: 'The serial number is malformed, not positive, or longer than 20 octets.',
  ERR_ALGORITHM_UNSUPPORTED: 'The signature algorithm or its parameters are not supported.',
  ERR_ALGORITHM_MISMATCH:
    'Two algorithm identifiers that must be identical differ, or the key does not allow the algorithm.',
  ERR_KEY_MALFORMED: 'The key is not a well-formed SubjectPublicKeyInfo or private key.',
  ERR_KEY_UNSUPPORTED:
    'The type, curve or parameters of the key are not supported (P-224, DSA, a compressed point, ...).',
  ERR_KEY_EXPLICIT_PARAMETERS:
    'The EC key has explicit curve parameters in place of a named curve (RFC 5480 section 2.1.1).',
  ERR_KEY_WEAK:
    'The key is too weak: RSA below 2048 bits, a disallowed public exponent, or a known weakness.',

  // keys
  ERR_KEY_NOT_FOUND: 'No key, or no version of it, has this id.',
  ERR_KEY_EXISTS: 'A key with this id, or the same key under another id, exists already.',
  ERR_KEY_NOT_EXTRACTABLE: 'The key cannot be exported from its backend, not even encrypted.',
  ERR_KEY_PASSPHRASE:
    'A private key or backup is encrypted, and the passphrase or key given does not decrypt it.',
  ERR_KEY_STORAGE:
    'A key file cannot be read, written or removed, or its permissions let other users read it.',
  ERR_KEY_BACKUP: 'The backup of a key is malformed, damaged, or of an unknown version.',

  // validation: shared
  ERR_REVOKED: 'A certificate of the path was revoked.',
  ERR_REVOCATION_UNKNOWN:
    'Revocation status is required, and it could not be determined for a certificate of the path.',
  ERR_PATH_NAME_CONSTRAINTS:
    'A name in the path is outside the name constraints of a CA above it, or cannot be compared with them.',
  ERR_PATH_PEER_NAME: 'The path is valid, but the certificate does not have the expected name of the peer.',
  ERR_PATH_BUDGET: 'The verification reached a limit of its budget and was stopped.',
  ERR_PATH_ISSUER_UNKNOWN:
    'No trust anchor and no intermediate certificate has the name that the certificate gives as its issuer.',
  ERR_PATH_SIGNATURE:
    'A signature does not verify with the key of the issuer (RFC 5280 section 6.1.3 (a)(1)).',
  ERR_PATH_EXPIRED: 'A certificate of the path has expired (RFC 5280 section 6.1.3 (a)(2)).',
  ERR_PATH_NOT_YET_VALID: 'A certificate of the path is not valid yet (RFC 5280 section 6.1.3 (a)(2)).',
  ERR_PATH_NOT_CA:
    'An issuer in the path is not a CA, or lacks keyCertSign (RFC 5280 section 6.1.4 (k), (n)).',
  ERR_PATH_LENGTH: 'The path has more intermediate certificates than a CA, the caller or the budget allows.',
  ERR_PATH_KEY_USAGE:
    'The key usage of the leaf does not allow the requested use (RFC 5280 section 4.2.1.3).',
  ERR_PATH_EXTENDED_KEY_USAGE:
    'A certificate of the path does not allow the requested purpose (RFC 5280 section 4.2.1.12).',
  ERR_PATH_CRITICAL_EXTENSION:
    'A certificate has a critical extension that is not processed (RFC 5280 section 4.2).',
  ERR_PATH_POLICY: 'No acceptable certificate policy is valid for the whole path (RFC 5280 section 6.1.5).',
  ERR_PATH_ALGORITHM:
    'The profile does not allow a signature algorithm, key algorithm or key size in the path.',
  ERR_PATH_PROFILE:
    'A certificate breaks a rule of the chosen profile (RFC 5280 section 4, CA/Browser Forum BR).',

  // spiffe
  ERR_SPIFFE_ID_INVALID: 'The text is not a SPIFFE ID (rules ID-1 to ID-7).',
  ERR_TRUST_DOMAIN_INVALID: 'The text is not a trust domain name (rules ID-1 to ID-4, ID-7).',
  ERR_SPIFFE_PATH_INVALID: 'The text is not the path of a SPIFFE ID (rules ID-5, ID-6).',
  ERR_SPIFFE_ID_MISMATCH: 'The SPIFFE ID is not the one that the caller expects.',

  // auth
  ERR_CREDENTIAL_MISSING: 'The request has no credential of a kind that an authenticator accepts.',
  ERR_CREDENTIAL_INVALID: 'The credential is malformed, unknown, expired, or not for this service.',
  ERR_CLIENT_CERTIFICATE_UNTRUSTED:
    'The client certificate has no valid path to a trust bundle of this service.',
  ERR_AUTHENTICATOR_FAILED: 'An authenticator failed, or returned something other than a caller.',
  ERR_AUTHENTICATOR_UNAVAILABLE:
    'An authenticator cannot reach a service that it needs, or is not synchronised yet; try again later.',
  ERR_KUBERNETES_FORBIDDEN:
    'The API server does not allow token reviews: no RBAC rule, or a bad token of this service.',
  ERR_IMPERSONATION_DENIED: 'The caller may not request a certificate for that identity.',

  // ca
  ERR_TTL: 'The requested validity is above the maximum or not a positive whole number of seconds.',
  ERR_CRL_SHARD_UNKNOWN:
    'The CA has no CRL shard of that name, or a shard that certificates name has no list.',
  ERR_LINT: 'A certificate or list breaks a rule before signing; it was not signed.',
  ERR_CA_EXPIRED:
    'The CA certificate, or one above it, has expired or ends too soon for the requested certificate.',
  ERR_CA_NOT_YET_VALID: 'The CA certificate, or one above it, is not valid yet.',
  ERR_CA_MATERIAL:
    'Certificate, key, chain or roots of a CA are missing, unreadable, or do not belong together.',
  ERR_PREPARED_EXPIRED:
    'The prepared certificate is older than 60 s, or its CA is no longer trusted; nothing was signed.',
  ERR_CA_SIGNATURE: "The signature that the CA's signer returned does not verify; it was not used.",
  ERR_WORKER_LOST: 'The signing worker ended before it answered; whether it signed is unknown.',
  ERR_SERIAL_EXISTS: 'A certificate with this serial number exists already.',
  ERR_CERTIFICATE_UNKNOWN: 'The store has no certificate with this serial number.',

  // ca: rotation
  ERR_ROTATION_STATE: 'The state of the authority does not allow this step of its rotation.',
  ERR_ROTATION_EARLY:
    'The step of the rotation is too early: a peer lacks the new root, or still needs the old one.',
  ERR_ROTATION_PLAN:
    'With these lifetimes an authority cannot be published before its use, or outlive its leaves.',

  // ca: storage
  ERR_STORE_FULL: 'The store, or the quota of one identity, is full. Records are removed when they expire.',
  ERR_STORE_CONFLICT: 'The compare-and-set failed: another write changed the stored state first.',
  ERR_LEASE_STALE: 'The write carries the epoch of a lease that another process has acquired since.',
  ERR_IDEMPOTENCY_KEY: 'The idempotency key was used before.',
  ERR_STORE_UNAVAILABLE: 'The store cannot be reached or cannot write. Nothing is issued until it can.',
  ERR_STORE_FAILED:
    'The state of the store is unknown after a fault. Every call fails until it is opened again.',
  ERR_STORE_LOCKED: 'Another process has the store open for writing.',
  ERR_STORE_SCHEMA: 'A newer version of this package, or another program, made the store.',
  ERR_STORE_OWNER: 'The store, or a key beside it, belongs to another CA.',
  ERR_STORE_CLOCK:
    'The clock is over five minutes before the latest recorded time. Nothing is issued until it is correct.',
  ERR_STORE_CORRUPT: 'A row of the store is damaged or was changed outside of this package.',

  // service: backups
  ERR_BACKUP_DAMAGED: 'The file is not a backup of a CA, was changed, or is truncated.',
  ERR_BACKUP_TOO_OLD: 'The backup of a CA is older, or has fewer audit entries, than required.',

  // audit
  ERR_AUDIT_LOG:
    'The store is older than the audit log, or a tile, an entry or the checkpoint is missing or was changed.',
  ERR_NOTE_INVALID:
    'The signed note, checkpoint or key of one is malformed, or not signed by the expected key.',

  // policy
  ERR_CSR_CA_REQUESTED: 'The certification request requests a CA certificate.',
  ERR_CSR_SAN_FOREIGN:
    'The certification request requests a subject alternative name that the caller may not have.',
  ERR_CSR_EXTENSION: 'The certification request requests an extension that the policy does not grant.',
  ERR_CSR_SIGNER: 'The certification request names a signer that this service does not have.',
  ERR_POLICY_IDENTITY: 'The caller has several identities, and the request does not select one of them.',
  ERR_POLICY_TRUST_DOMAIN: 'The identity of the caller is in another trust domain than the one served.',
  ERR_POLICY_DENIED: 'The policy refused the request.',
  ERR_POLICY_RATE: 'The policy allows fewer certificates in this time; the message has the retry time.',
  ERR_POLICY_INVALID: 'The policy document has an unknown key, or a value of the wrong type or shape.',
  ERR_POLICY_FAILED:
    'The policy threw, or returned something other than a decision; the request was refused.',

  // issuance
  ERR_RENEWAL_REFUSED: 'The certificate to renew has expired, was revoked, or belongs to another identity.',
  ERR_RENEWAL_BLOCKED: 'The identity, the key or the certificate to renew is on the block-list of the CA.',
  ERR_KEY_REUSED: 'The key of the certification request has a certificate of another identity.',

  // adapters: grpc
  ERR_SERVER_START: 'The server cannot listen at the given address, or its TLS material cannot be used.',
  ERR_OVERLOADED: 'More requests are in progress than the limit allows; try again later.',
  ERR_MESSAGE_TOO_LARGE: 'A message is larger than the limit of the service.',
  ERR_CA_UNAUTHENTICATED: 'The CA did not accept the credentials of its client.',
  ERR_CA_REFUSED: 'The CA refused the certification request.',
  ERR_CA_UNAVAILABLE: 'The CA cannot be reached, failed, or is overloaded, and no attempt is left.',
  ERR_CA_REPLY: 'The answer of the CA is not the certificate that was requested.',
  ERR_TLS_PEER: 'The peer of a TLS connection has no acceptable certificate or is not authorized.',
  ERR_SVID_UNAVAILABLE: 'A source has no valid SVID: none was obtained yet, or the last one has expired.',
  ERR_WORKLOAD_API: 'The Workload API cannot be reached, or its answer is not what its specification allows.',
  ERR_WORKLOAD_API_DENIED: 'The Workload API has no identity for this workload.',
  ERR_SECRET_UNKNOWN: 'A source of secrets has none of this name.',
  ERR_SECRET_FILES:
    'Certificate, key or roots of a workload in files are missing, unreadable, or do not belong together.',

  // adapters: pkcs11
  ERR_PKCS11_MODULE_NOT_INSTALLED: 'The optional package pkcs11js or its compiled binary is missing.',
  ERR_PKCS11_LIBRARY: "The vendor's PKCS#11 library cannot be loaded or initialised.",
  ERR_HSM_TOKEN_NOT_FOUND: 'No token, or more than one, has the given label or serial number.',
  ERR_HSM_PIN:
    'The PIN was refused, is expired, locked or not set, or one more wrong PIN would lock the token.',
  ERR_HSM_UNAVAILABLE:
    'The token or its session is lost, or too many calls in a row failed; reconnecting is in progress.',
  ERR_HSM_SESSION_LIMIT: 'The token has no free session.',
  ERR_HSM_QUEUE_FULL:
    'More operations wait for a session of the token than the limit allows; try again later.',
  ERR_HSM_TIMEOUT: 'The token or the PIN source did not answer within the time limit.',
  ERR_HSM_REFUSED: 'The token works and refused the operation; the Cryptoki return value gives the reason.',
  ERR_HSM_SIGNATURE: 'The token returned a signature that does not verify; it was not used.',
  ERR_HSM_KEY_PROTECTION:
    'A key in the token lacks a required protection (sensitive, not extractable, generated there).',
  ERR_HSM_KEY_AMBIGUOUS: 'More than one object in the token matches the requested key.',

  // svid: X.509-SVIDs
  ERR_SVID_LEAF: 'The certificate breaks a rule of X509-SVID for leaf certificates (rules X-1 to X-12).',
  ERR_SVID_RECEIPT: 'The certificate was presented without a receipt of a known transparency log.',
  ERR_SVID_ISSUER: 'A CA certificate in the path breaks a rule of X509-SVID (rule X-4).',

  // svid: JWT-SVIDs
  ERR_JWT_MALFORMED:
    'The token is not a JWS in compact serialization with a strict JSON object as payload (rule J-1).',
  ERR_JWT_HEADER: 'The token has a header parameter that is not allowed, or lacks kid (rules J-2, J-4, J-5).',
  ERR_JWT_ALGORITHM: 'The algorithm of the token is not allowed, or its key does not allow it (rule J-3).',
  ERR_JWT_CLAIM: 'A claim of the token is absent or malformed (rules J-6 to J-9).',
  ERR_JWT_KEY_UNKNOWN: 'The trust bundle has no key with the kid of the token (rule J-12).',
  ERR_JWT_SIGNATURE: 'The signature of the token does not verify.',
  ERR_JWT_EXPIRED: 'The token has expired (rule J-8).',
  ERR_JWT_NOT_YET_VALID: 'The token is not valid yet: nbf or iat is in the future (rule J-9).',
  ERR_JWT_AUDIENCE: 'The audience of the token does not include the expected one (rule J-7).',

  // svid: trust bundles
  ERR_BUNDLE_MALFORMED: 'The document is not a SPIFFE trust bundle or bundle map (rules B-2, B-4, B-7).',
  ERR_BUNDLE_DUPLICATE: 'One trust domain has two bundles (rules B-7, F-4).',
  ERR_BUNDLE_NOT_FOUND:
    'The trust domain has no bundle, or its bundle lacks an authority of the needed kind (rule X-15).',
  ERR_JWK_INVALID:
    'The JSON Web Key is malformed, private or unsupported (RFC 7517, RFC 7518 section 6, rule J-12).',
} as const

/** A code of the catalogue. */
export type PkiErrorCode = keyof typeof errorCodes
