// The one catalogue of codes. `docs/errors.md` and the tests are held against it both ways.

/** Every code that this package throws or reports, with its meaning. A code, once released, keeps its meaning for ever. */
export const errorCodes = {
  // general
  ERR_INVALID_ARGUMENT: 'The API was called with a value of the wrong type, shape or range.',
  ERR_LIMIT_EXCEEDED: 'An input is larger, longer or deeper than the stated limit.',
  ERR_ABORTED: 'The operation was stopped by its AbortSignal or because its owner was closed.',
  ERR_TIMEOUT: 'The operation did not end in the time it was given.',
  ERR_CLOSED: 'The object was closed and can no longer be used.',
  ERR_PEER_NOT_INSTALLED: 'An optional dependency is needed for this operation and is not installed.',
  ERR_INTERNAL: 'An invariant of this package does not hold; please report it.',

  // der
  ERR_DER: 'The bytes are not strict DER, or not of the expected ASN.1 type (X.690).',
  ERR_DER_DEPTH: 'The DER is nested deeper than the limit.',
  ERR_OID_INVALID: 'The object identifier is malformed or longer than the limit.',
  ERR_TIME_INVALID:
    'The UTCTime or GeneralizedTime is malformed or not in the form RFC 5280 section 4.1.2.5 asks for.',
  ERR_STRING_INVALID: 'The bytes are impossible for the ASN.1 string type.',

  // text forms
  ERR_PEM: 'The text holds no PEM block of the wanted label, more than one, or a malformed one (RFC 7468).',
  ERR_BASE64: 'The text is not canonical base64 or base64url.',
  ERR_JSON:
    'The text is not strict JSON: malformed, a key twice in one object, or a key that could reach a prototype (RFC 8259).',

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
    'Two algorithm identifiers that must be identical differ, or the algorithm does not fit the key.',
  ERR_KEY_MALFORMED: 'The key is not a well-formed SubjectPublicKeyInfo or private key.',
  ERR_KEY_UNSUPPORTED:
    'The type, curve or parameters of the key are not supported (P-224, DSA, a compressed point, ...).',
  ERR_KEY_EXPLICIT_PARAMETERS:
    'The EC key spells its curve out in place of naming it: who makes the key would choose the curve (RFC 5480 section 2.1.1).',
  ERR_KEY_WEAK:
    'The key is too weak: RSA below 2048 bits, an exponent other than allowed, or a known weakness.',

  // keys
  ERR_KEY_NOT_FOUND: 'No key, or no version of it, has this id.',
  ERR_KEY_EXISTS: 'A key with this id, or this very key, exists already.',
  ERR_KEY_NOT_EXTRACTABLE: 'The key may not leave its backend, not even encrypted.',
  ERR_KEY_PASSPHRASE: 'A private key or backup is encrypted and does not open with what was given.',
  ERR_KEY_STORAGE: 'A key file cannot be read, written or removed, or is open to others.',
  ERR_KEY_BACKUP: 'The backup of a key is malformed, damaged, or of an unknown version.',

  // validation: shared
  ERR_REVOKED: 'A certificate of the path was revoked.',
  ERR_REVOCATION_UNKNOWN:
    'Whether a certificate of the path was revoked cannot be determined, and it has to be.',
  ERR_PATH_NAME_CONSTRAINTS: 'A name in the path is outside what a CA above it permits, or cannot be judged.',
  ERR_PATH_PEER_NAME: "The certificate is valid and is not the wanted peer's.",
  ERR_PATH_BUDGET: 'The verification was ended: it wanted more work than its budget allows.',
  ERR_PATH_ISSUER_UNKNOWN:
    'No trust anchor and no intermediate certificate has the name that the certificate gives as its issuer.',
  ERR_PATH_SIGNATURE:
    'The signature of a certificate does not verify with the key of its issuer (RFC 5280 section 6.1.3 (a)(1)).',
  ERR_PATH_EXPIRED: 'The period of validity of a certificate is over (RFC 5280 section 6.1.3 (a)(2)).',
  ERR_PATH_NOT_YET_VALID:
    'The period of validity of a certificate has not begun (RFC 5280 section 6.1.3 (a)(2)).',
  ERR_PATH_NOT_CA:
    'A certificate that is no CA, or no CA by its key usage, stands where an issuer must (RFC 5280 section 6.1.4 (k), (n)).',
  ERR_PATH_LENGTH:
    'More intermediate certificates than a CA, the caller or the budget allows (RFC 5280 section 6.1.4 (l)).',
  ERR_PATH_KEY_USAGE:
    'The key usage of the leaf does not allow what it is used for (RFC 5280 section 4.2.1.3).',
  ERR_PATH_EXTENDED_KEY_USAGE:
    'A certificate of the path may not be used for the wanted purpose (RFC 5280 section 4.2.1.12).',
  ERR_PATH_CRITICAL_EXTENSION:
    'A certificate has a critical extension that is not known (RFC 5280 section 4.2).',
  ERR_PATH_POLICY: 'No acceptable certificate policy holds for the whole path (RFC 5280 section 6.1.5).',
  ERR_PATH_ALGORITHM: 'The profile does not allow the algorithm of a signature or key, or its strength.',
  ERR_PATH_PROFILE:
    'A certificate is not made as the chosen profile demands (RFC 5280 section 4, CA/Browser Forum Baseline Requirements).',

  // spiffe
  ERR_SPIFFE_ID_INVALID: 'The text is not a SPIFFE ID (rules ID-1 to ID-7).',
  ERR_TRUST_DOMAIN_INVALID: 'The text is not a trust domain name (rules ID-1 to ID-4, ID-7).',
  ERR_SPIFFE_PATH_INVALID: 'The text is not the path of a SPIFFE ID (rules ID-5, ID-6).',
  ERR_SPIFFE_ID_MISMATCH: 'The SPIFFE ID is not one that the caller asked for.',

  // auth
  ERR_CREDENTIAL_MISSING: 'No credential of a known kind was sent.',
  ERR_CREDENTIAL_INVALID:
    'A credential was sent and is bad: malformed, unknown, expired, or not for this service.',
  ERR_CLIENT_CERTIFICATE_UNTRUSTED:
    'The client certificate has no valid path to a trust bundle of this service.',
  ERR_AUTHENTICATOR_FAILED:
    'An authenticator could not judge a credential, or answered with something that is no caller.',

  // ca
  ERR_TTL:
    'The validity that is asked for is longer than the maximum, or no positive whole number of seconds.',
  ERR_LINT: 'A certificate that was about to be signed breaks a rule; nothing was signed.',
  ERR_CA_EXPIRED: 'The CA certificate, or one above it, is not valid now.',
  ERR_CA_MATERIAL:
    'Certificate, key, chain and roots of a CA are incomplete, cannot be read, or do not belong together.',
  ERR_PREPARED_EXPIRED:
    'The prepared bytes are older than 60 seconds, or the CA that prepared them is not trusted any more; nothing was let out.',
  ERR_CA_SIGNATURE: "The CA's own signature does not verify; it was not let out.",
  ERR_WORKER_LOST: 'The worker that signed ended before it answered; the outcome is unknown.',
  ERR_SERIAL_EXISTS: 'The serial number was used before.',
  ERR_CERTIFICATE_UNKNOWN: 'No certificate with this serial number is on record.',

  // policy
  ERR_CSR_CA_REQUESTED: 'The certification request asks for a CA certificate.',
  ERR_CSR_SAN_FOREIGN: 'The certification request asks for names that the caller may not have.',
  ERR_CSR_EXTENSION: 'The certification request asks for an extension that is not given.',
  ERR_CSR_SIGNER: 'The certification request names a signer that is not here.',
  ERR_POLICY_IDENTITY: 'The caller has several identities and the request does not say for which it is.',
  ERR_POLICY_TRUST_DOMAIN: 'The identity of the caller is not of the trust domain served.',
  ERR_POLICY_DENIED: 'The policy does not allow it.',
  ERR_POLICY_FAILED:
    'The policy could not decide, or answered with something that is no decision; nobody was allowed anything.',

  // issuance
  ERR_RENEWAL_REFUSED: "The certificate to renew is expired, revoked, or not the caller's.",

  // adapters: grpc
  ERR_SERVER_START: 'A server cannot listen at the address it was given.',
  ERR_OVERLOADED: 'More requests are in flight than the limit allows; try again later.',
  ERR_MESSAGE_TOO_LARGE: 'A message is larger than the limit of the service.',
  ERR_CA_UNAUTHENTICATED: 'The CA did not accept the credentials of its client.',
  ERR_CA_REFUSED: 'The CA refused the certification request.',
  ERR_CA_UNAVAILABLE: 'The CA cannot be reached, failed, or is overloaded, and every attempt was used.',
  ERR_CA_REPLY: 'The CA answered with something other than what was asked for.',

  // adapters: pkcs11
  ERR_PKCS11_MODULE_NOT_INSTALLED: 'The optional package pkcs11js or its compiled binary is missing.',
  ERR_PKCS11_LIBRARY: "The vendor's PKCS#11 library cannot be loaded or initialised.",
  ERR_HSM_TOKEN_NOT_FOUND: 'No token, or more than one, has the wanted label or serial number.',
  ERR_HSM_PIN:
    'The token refused the PIN, or is close to locking it; nothing tries again until a new PIN is given.',
  ERR_HSM_UNAVAILABLE:
    'The token or its session is lost, or too many calls in a row failed; it is being connected again.',
  ERR_HSM_SESSION_LIMIT: 'The token has no session left.',
  ERR_HSM_QUEUE_FULL:
    'More operations wait for a session of the token than the limit allows; try again later.',
  ERR_HSM_TIMEOUT: 'The token did not answer in time.',
  ERR_HSM_REFUSED: 'The token works and refused the operation; the return value says why.',
  ERR_HSM_SIGNATURE: 'The token answered with a signature that does not verify; it was not let out.',
  ERR_HSM_KEY_PROTECTION:
    'A key in the token is not protected as it must be (sensitive, not extractable, made there).',
  ERR_HSM_KEY_AMBIGUOUS: 'More than one object in the token matches the key that was asked for.',

  // svid: X.509-SVIDs
  ERR_SVID_LEAF: 'The certificate is no leaf that X509-SVID allows (rules X-1 to X-12).',
  ERR_SVID_ISSUER: 'A CA certificate in the path is none that X509-SVID allows (rule X-4).',

  // svid: JWT-SVIDs
  ERR_JWT_MALFORMED:
    'The token is no JWS in compact serialization with a strict JSON object in it (rule J-1).',
  ERR_JWT_HEADER: 'The token has a header that it may not have, or lacks kid (rules J-2, J-4, J-5).',
  ERR_JWT_ALGORITHM: 'The algorithm of the token is not on the list, or not one of its key (rule J-3).',
  ERR_JWT_CLAIM: 'A claim of the token is absent or malformed (rules J-6 to J-9).',
  ERR_JWT_KEY_UNKNOWN: 'The trust bundle has no key with the kid of the token (rule J-12).',
  ERR_JWT_SIGNATURE: 'The signature of the token does not verify.',
  ERR_JWT_EXPIRED: 'The token has expired (rule J-8).',
  ERR_JWT_NOT_YET_VALID: 'The token is not valid yet, or was issued in the future (rule J-9).',
  ERR_JWT_AUDIENCE: 'The token is meant for somebody else (rule J-7).',

  // svid: trust bundles
  ERR_BUNDLE_MALFORMED: 'The document is not a SPIFFE trust bundle or bundle map (rules B-2, B-4, B-7).',
  ERR_BUNDLE_DUPLICATE: 'Two bundles are given for one trust domain (rules B-7, F-4).',
  ERR_BUNDLE_NOT_FOUND:
    'No trust bundle is known for the trust domain, or it has no authority of the kind that is needed (rule X-15).',
  ERR_JWK_INVALID:
    'The JSON Web Key is malformed, not public, or of an unsupported kind (RFC 7517, RFC 7518 section 6, rule J-12).',
} as const

/** A code of the catalogue. */
export type PkiErrorCode = keyof typeof errorCodes
