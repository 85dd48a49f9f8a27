// The one table of signature algorithms: a row is all that the rest of the package knows of one.
// RFC 5758 (ECDSA), RFC 4055 (RSA), RFC 8410 (Ed25519).

/** A signature algorithm by its usual name. SHA-1 and MD5 have no row: they are never accepted. */
export type SignatureAlgorithm =
  | 'ecdsa-with-SHA256'
  | 'ecdsa-with-SHA384'
  | 'ecdsa-with-SHA512'
  | 'sha256WithRSAEncryption'
  | 'sha384WithRSAEncryption'
  | 'sha512WithRSAEncryption'
  | 'rsassa-pss-SHA256'
  | 'rsassa-pss-SHA384'
  | 'rsassa-pss-SHA512'
  | 'Ed25519'

/** A public key algorithm that signatures are verified with. */
export type PublicKeyAlgorithm = 'P-256' | 'P-384' | 'P-521' | 'RSA' | 'RSA-PSS' | 'Ed25519'

/** A hash function, as `node:crypto` names it. */
export type HashName = 'sha256' | 'sha384' | 'sha512'

/** What is known of one signature algorithm. */
export interface SignatureAlgorithmInfo {
  readonly name: SignatureAlgorithm
  /** Public keys that can make such a signature. */
  readonly keys: readonly PublicKeyAlgorithm[]
  /** The hash; undefined where the algorithm hashes by itself. */
  readonly hash: HashName | undefined
  /** Octets of salt of RSASSA-PSS; undefined for the others. */
  readonly saltLength: number | undefined
  /** DER of the AlgorithmIdentifier, parameters exact (threats L3). */
  readonly identifier: Uint8Array
}

const ec = ['P-256', 'P-384', 'P-521'] as const
const rsa = ['RSA'] as const
const rsaPss = ['RSA', 'RSA-PSS'] as const

/** Every supported signature algorithm by name. */
export const signatureAlgorithms: Readonly<Record<SignatureAlgorithm, SignatureAlgorithmInfo>> = {
  'ecdsa-with-SHA256': row('ecdsa-with-SHA256', ec, 'sha256', '300a06082a8648ce3d040302'),
  'ecdsa-with-SHA384': row('ecdsa-with-SHA384', ec, 'sha384', '300a06082a8648ce3d040303'),
  'ecdsa-with-SHA512': row('ecdsa-with-SHA512', ec, 'sha512', '300a06082a8648ce3d040304'),
  sha256WithRSAEncryption: row('sha256WithRSAEncryption', rsa, 'sha256', '300d06092a864886f70d01010b0500'),
  sha384WithRSAEncryption: row('sha384WithRSAEncryption', rsa, 'sha384', '300d06092a864886f70d01010c0500'),
  sha512WithRSAEncryption: row('sha512WithRSAEncryption', rsa, 'sha512', '300d06092a864886f70d01010d0500'),
  'rsassa-pss-SHA256': pssRow('rsassa-pss-SHA256', 'sha256', '01', 32),
  'rsassa-pss-SHA384': pssRow('rsassa-pss-SHA384', 'sha384', '02', 48),
  'rsassa-pss-SHA512': pssRow('rsassa-pss-SHA512', 'sha512', '03', 64),
  Ed25519: row('Ed25519', ['Ed25519'], undefined, '300506032b6570'),
}

function row(
  name: SignatureAlgorithm,
  keys: readonly PublicKeyAlgorithm[],
  hash: HashName | undefined,
  identifier: string,
  saltLength?: number,
): SignatureAlgorithmInfo {
  return { name, keys, hash, saltLength, identifier: Uint8Array.from(Buffer.from(identifier, 'hex')) }
}

/** RFC 4055 §3.1: hash, MGF1 with the same hash, salt as long as the hash. `shaArc` is the last arc of the SHA-2 OID. */
function pssRow(name: SignatureAlgorithm, hash: HashName, shaArc: string, saltLength: number): SignatureAlgorithmInfo {
  const sha = `300d06096086480165030402${shaArc}0500`
  const parameters = `3034a00f${sha}a11c301a06092a864886f70d010108${sha}a2030201${saltLength.toString(16)}`
  return row(name, rsaPss, hash, `304106092a864886f70d01010a${parameters}`, saltLength)
}
