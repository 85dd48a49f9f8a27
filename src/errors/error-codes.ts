// The one catalogue of codes. `docs/errors.md` and the tests are held against it both ways.

/** Every code that this package throws or reports, with its meaning. A code, once released, keeps its meaning for ever. */
export const errorCodes = {
  // general
  ERR_INVALID_ARGUMENT: 'The API was called with a value of the wrong type, shape or range.',
  ERR_LIMIT_EXCEEDED: 'An input is larger, longer or deeper than the stated limit.',
  ERR_ABORTED: 'The operation was stopped by its AbortSignal or because its owner was closed.',
  ERR_CLOSED: 'The object was closed and can no longer be used.',
  ERR_PEER_NOT_INSTALLED: 'An optional dependency is needed for this operation and is not installed.',
  ERR_INTERNAL: 'An invariant of this package does not hold; please report it.',

  // der
  ERR_DER: 'The bytes are not strict DER, or not of the expected ASN.1 type (X.690).',
  ERR_DER_DEPTH: 'The DER is nested deeper than the limit.',
  ERR_OID_INVALID: 'The object identifier is malformed or longer than the limit.',
  ERR_TIME_INVALID: 'The UTCTime or GeneralizedTime is malformed or not in the form RFC 5280 section 4.1.2.5 asks for.',
  ERR_STRING_INVALID: 'The bytes are impossible for the ASN.1 string type.',

  // text forms
  ERR_PEM: 'The text holds no PEM block of the wanted label, more than one, or a malformed one (RFC 7468).',
  ERR_BASE64: 'The text is not canonical base64 or base64url.',

  // x509
  ERR_CERTIFICATE_MALFORMED: 'The bytes are not a certificate as RFC 5280 section 4 defines it.',
  ERR_CSR_MALFORMED: 'The bytes are not a certification request (RFC 2986).',
  ERR_CSR_TOO_LARGE: 'The certification request is larger than the limit.',
  ERR_CSR_SIGNATURE: 'The signature of the certification request does not verify: no proof of possession.',
  ERR_CRL_MALFORMED: 'The bytes are not a certificate revocation list as RFC 5280 section 5 defines it.',
  ERR_EXTENSION_MALFORMED: 'The value of a known extension is not what RFC 5280 section 4.2 defines.',
  ERR_EXTENSION_DUPLICATE: 'An extension appears more than once (RFC 5280 section 4.2).',
  ERR_NAME_INVALID: 'A distinguished name or general name is malformed.',
  ERR_SERIAL_INVALID: 'The serial number is malformed, not positive, or longer than 20 octets.',
  ERR_ALGORITHM_UNSUPPORTED: 'The signature algorithm or its parameters are not supported.',
  ERR_ALGORITHM_MISMATCH: 'Two algorithm identifiers that must be identical differ, or the algorithm does not fit the key.',
  ERR_KEY_MALFORMED: 'The key is not a well-formed SubjectPublicKeyInfo or private key.',
  ERR_KEY_UNSUPPORTED: 'The type, curve or parameters of the key are not supported (explicit EC parameters, P-224, DSA, ...).',
  ERR_KEY_WEAK: 'The key is too weak: RSA below 2048 bits, an exponent other than allowed, or a known weakness.',

  // spiffe
  ERR_SPIFFE_ID_INVALID: 'The text is not a SPIFFE ID (rules ID-1 to ID-7).',
  ERR_TRUST_DOMAIN_INVALID: 'The text is not a trust domain name (rules ID-1 to ID-4, ID-7).',
  ERR_SPIFFE_PATH_INVALID: 'The text is not the path of a SPIFFE ID (rules ID-5, ID-6).',
  ERR_SPIFFE_ID_MISMATCH: 'The SPIFFE ID is not one that the caller asked for.',
} as const

/** A code of the catalogue. */
export type PkiErrorCode = keyof typeof errorCodes
