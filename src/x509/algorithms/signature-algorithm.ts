// The table of signature algorithms (RFC 5758 ECDSA, RFC 4055 RSA, RFC 8410 Ed25519) and the
// AlgorithmIdentifier of RFC 5280 section 4.1.1.2.

import { contextConstructed, nullContent, readOid, readWhole, smallInteger, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'

/** The usual name of a signature algorithm. SHA-1 and MD5 are not in the table: they are never accepted. */
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

/** A public key algorithm for verifying signatures. @inline */
export type PublicKeyAlgorithm = 'P-256' | 'P-384' | 'P-521' | 'RSA' | 'RSA-PSS' | 'Ed25519'

/** A hash function, as `node:crypto` names it. */
export type HashName = 'sha256' | 'sha384' | 'sha512'

/** One row of the table of signature algorithms. */
export interface SignatureAlgorithmInfo {
  /** The name used in this package. */
  readonly name: SignatureAlgorithm
  /** The type of key for this algorithm. */
  readonly keys: readonly PublicKeyAlgorithm[]
  /** The hash; undefined if the algorithm includes its own. */
  readonly hash: HashName | undefined
  /** The salt length of RSASSA-PSS in octets; undefined for other algorithms. */
  readonly saltLength: number | undefined
  /** DER of the AlgorithmIdentifier, with its exact parameters. */
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

/**
 * RFC 4055 §3.1: hash, MGF1 with the same hash, salt as long as the hash.
 * `shaArc` is the last arc of the SHA-2 OID.
 */
function pssRow(
  name: SignatureAlgorithm,
  hash: HashName,
  shaArc: string,
  saltLength: number,
): SignatureAlgorithmInfo {
  const sha = `300d06096086480165030402${shaArc}0500`
  const parameters = `3034a00f${sha}a11c301a06092a864886f70d010108${sha}a2030201${saltLength.toString(16)}`
  return row(name, rsaPss, hash, `304106092a864886f70d01010a${parameters}`, saltLength)
}

/** An algorithm identifier: its bytes, and which supported signature algorithm it names, if any. */
export class AlgorithmIdentifier {
  /** DER of the whole SEQUENCE; a view. */
  readonly der: Uint8Array
  /** The object identifier, dotted. */
  readonly oid: string
  /** DER of the parameters; undefined if absent. */
  readonly parameters: Uint8Array | undefined
  #judged:
    { readonly name: SignatureAlgorithm | undefined; readonly saltLength: number | undefined } | undefined

  private constructor(der: Uint8Array, oid: string, parameters: Uint8Array | undefined) {
    this.der = der
    this.oid = oid
    this.parameters = parameters
  }

  /** Parses a whole AlgorithmIdentifier. @throws ERR_DER, ERR_OID_INVALID */
  static parse(der: Uint8Array): AlgorithmIdentifier {
    return knownIdentifier(der) ?? AlgorithmIdentifier.#read(der)
  }

  static #read(der: Uint8Array): AlgorithmIdentifier {
    const reader = readWhole(der, tags.sequence, 'AlgorithmIdentifier')
    const { oid, parameters } = readAlgorithm(reader, 'AlgorithmIdentifier')
    return new AlgorithmIdentifier(der, oid, parameters)
  }

  /** The identifiers of the table, parsed once: nearly every certificate has one of them. */
  static readTable(): readonly AlgorithmIdentifier[] {
    return Object.values(signatureAlgorithms).map(({ identifier }) => AlgorithmIdentifier.#read(identifier))
  }

  /**
   * The supported algorithm that the identifier names; undefined if its parameters are not valid for the
   * algorithm. For PKCS #1 v1.5 they are NULL; absent parameters are accepted too (RFC 4055 §5).
   */
  get signatureAlgorithm(): SignatureAlgorithm | undefined {
    return this.#judge().name
  }

  /** The salt length of an RSASSA-PSS signature, in octets. */
  get saltLength(): number | undefined {
    return this.#judge().saltLength
  }

  #judge(): { readonly name: SignatureAlgorithm | undefined; readonly saltLength: number | undefined } {
    this.#judged ??= judge(this)
    return this.#judged
  }
}

/** The content of an AlgorithmIdentifier: an OID and everything after it. @throws ERR_DER, ERR_OID_INVALID */
export function readAlgorithm(
  reader: DerReader,
  what: string,
): { readonly oid: string; readonly parameters: Uint8Array | undefined } {
  const oid = readOid(reader, what)
  if (reader.done) return { oid, parameters: undefined }
  reader.next(`${what} parameters`)
  const parameters = reader.element()
  reader.finish(what)
  return { oid, parameters }
}

function knownIdentifier(der: Uint8Array): AlgorithmIdentifier | undefined {
  knownIdentifiers ??= AlgorithmIdentifier.readTable()
  for (const known of knownIdentifiers) if (isSame(known.der, der)) return known
  return undefined
}

/** Compared from the end, where identifiers differ. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let at = a.length
  if (at !== b.length) return false
  while (--at >= 0) if (a[at] !== b[at]) return false
  return true
}

let knownIdentifiers: readonly AlgorithmIdentifier[] | undefined

function judge(identifier: AlgorithmIdentifier): {
  name: SignatureAlgorithm | undefined
  saltLength: number | undefined
} {
  for (const info of Object.values(signatureAlgorithms)) {
    if (Buffer.compare(identifier.der, info.identifier) === 0)
      return { name: info.name, saltLength: info.saltLength }
  }
  // RFC 4055 §5: "Implementations MUST accept the parameters being absent as well as present."
  if (identifier.parameters === undefined) return { name: pkcs1ByOid[identifier.oid], saltLength: undefined }
  if (identifier.oid === idRsassaPss) {
    try {
      const { hash, saltLength } = parsePssParameters(identifier.parameters)
      return { name: hash === undefined ? undefined : pssByHash[hash], saltLength }
    } catch {
      // Malformed parameters: not a supported algorithm.
    }
  }
  return { name: undefined, saltLength: undefined }
}

/**
 * RSASSA-PSS-params (RFC 4055 §3.1) in their other valid forms: another salt length, absent hash parameters.
 * `hash` is undefined for SHA-1 (the default), for MGF1 with another hash, and for other trailers.
 */
export function parsePssParameters(der: Uint8Array): { hash: HashName | undefined; saltLength: number } {
  const reader = readWhole(der, tags.sequence, 'RSASSA-PSS-params')
  let hash: HashName | undefined
  let mgfHash: HashName | undefined
  let saltLength = 20
  let trailer = 1
  if (reader.optional(contextConstructed(0), 'hashAlgorithm')) {
    const inner = reader.inner()
    hash = readHash(inner)
    inner.finish('hashAlgorithm')
  }
  if (reader.optional(contextConstructed(1), 'maskGenAlgorithm')) {
    const inner = reader.inner()
    const mgf = inner.expect(tags.sequence, 'maskGenAlgorithm').inner()
    inner.finish('maskGenAlgorithm')
    if (readOid(mgf, 'maskGenAlgorithm') === '1.2.840.113549.1.1.8') mgfHash = readHash(mgf)
    mgf.finish('maskGenAlgorithm')
  }
  if (reader.optional(contextConstructed(2), 'saltLength')) saltLength = readParameter(reader, 'saltLength')
  if (reader.optional(contextConstructed(3), 'trailerField')) trailer = readParameter(reader, 'trailerField')
  reader.finish('RSASSA-PSS-params')
  return { hash: hash === mgfHash && trailer === 1 ? hash : undefined, saltLength }
}

/** An encoded default breaks X.690 11.5, but RFC 4055 §3.1 requires readers to accept it. */
function readParameter(reader: DerReader, what: string): number {
  const inner = reader.inner()
  const value = smallInteger(inner.expect(tags.integer, what), what)
  inner.finish(what)
  return value
}

function readHash(reader: DerReader): HashName | undefined {
  const inner = reader.expect(tags.sequence, 'hashAlgorithm').inner()
  const oid = readOid(inner, 'hashAlgorithm')
  if (!inner.done)
    nullContent(inner.expect(tags.null, 'hashAlgorithm parameters'), 'hashAlgorithm parameters')
  inner.finish('hashAlgorithm')
  return hashByOid[oid]
}

const idRsassaPss = '1.2.840.113549.1.1.10'

const hashByOid: Readonly<Record<string, HashName | undefined>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

const pkcs1ByOid: Readonly<Record<string, SignatureAlgorithm | undefined>> = {
  '1.2.840.113549.1.1.11': 'sha256WithRSAEncryption',
  '1.2.840.113549.1.1.12': 'sha384WithRSAEncryption',
  '1.2.840.113549.1.1.13': 'sha512WithRSAEncryption',
}

const pssByHash: Readonly<Record<HashName, SignatureAlgorithm>> = {
  sha256: 'rsassa-pss-SHA256',
  sha384: 'rsassa-pss-SHA384',
  sha512: 'rsassa-pss-SHA512',
}
