// Names of key algorithms and curves that are not supported, for messages.

/** The OID with the usual name of a key algorithm or a curve, if it has one here. */
export function namedOid(oid: string): string {
  const name = foreignName(oid)
  return name === undefined ? oid : `${oid} (${name})`
}

/** The usual name of a key algorithm or a curve that is not supported, if it has one here. */
export function foreignName(oid: string): string | undefined {
  return Object.hasOwn(names, oid) ? names[oid] : undefined
}

/** The supported keys, as a message lists them. */
export const supportedKeys = 'RSA, EC on P-256, P-384 or P-521, and Ed25519'

const names: Readonly<Record<string, string>> = {
  // RFC 8410 section 3
  '1.3.101.110': 'X25519',
  '1.3.101.111': 'X448',
  '1.3.101.113': 'Ed448',
  // RFC 3279 section 2.3, RFC 4055 section 4.1, RFC 5480 section 2.1.2
  '1.2.840.10040.4.1': 'DSA',
  '1.2.840.10046.2.1': 'Diffie-Hellman, X9.42',
  '1.2.840.113549.1.3.1': 'Diffie-Hellman, PKCS#3',
  '1.2.840.113549.1.1.7': 'RSAES-OAEP',
  '1.3.132.1.12': 'ECDH',
  '1.3.132.1.13': 'ECMQV',
  // FIPS 203 to 205, by the OIDs of NIST
  '2.16.840.1.101.3.4.4.1': 'ML-KEM-512',
  '2.16.840.1.101.3.4.4.2': 'ML-KEM-768',
  '2.16.840.1.101.3.4.4.3': 'ML-KEM-1024',
  '2.16.840.1.101.3.4.3.17': 'ML-DSA-44',
  '2.16.840.1.101.3.4.3.18': 'ML-DSA-65',
  '2.16.840.1.101.3.4.3.19': 'ML-DSA-87',
  '2.16.840.1.101.3.4.3.20': 'SLH-DSA-SHA2-128s',
  '2.16.840.1.101.3.4.3.26': 'SLH-DSA-SHAKE-128s',
  // RFC 9215
  '1.2.643.7.1.1.1.1': 'GOST R 34.10-2012, 256 bits',
  '1.2.643.7.1.1.1.2': 'GOST R 34.10-2012, 512 bits',
  // SEC 2, RFC 5639, GB/T 33560
  '1.2.840.10045.3.1.1': 'P-192',
  '1.3.132.0.33': 'P-224',
  '1.3.132.0.10': 'secp256k1',
  '1.3.132.0.26': 'sect233k1',
  '1.3.132.0.27': 'sect233r1',
  '1.3.36.3.3.2.8.1.1.7': 'brainpoolP256r1',
  '1.3.36.3.3.2.8.1.1.8': 'brainpoolP256t1',
  '1.3.36.3.3.2.8.1.1.11': 'brainpoolP384r1',
  '1.3.36.3.3.2.8.1.1.13': 'brainpoolP512r1',
  '1.2.156.10197.1.301': 'SM2',
}
