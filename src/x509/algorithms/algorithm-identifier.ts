// AlgorithmIdentifier of a signature, as found on the wire: RFC 5280 section 4.1.1.2.

import type { DerReader} from '../../der/index.ts';
import { contextConstructed, decodeOid, readWhole, smallInteger, tags } from '../../der/index.ts'
import { signatureAlgorithms } from './signature-algorithm.ts'
import type { HashName, SignatureAlgorithm } from './signature-algorithm.ts'

/** An algorithm identifier: its bytes, and which supported signature algorithm it names, if any. */
export class AlgorithmIdentifier {
  /** DER of the whole SEQUENCE; a view. */
  readonly der: Uint8Array
  /** The object identifier, dotted. */
  readonly oid: string
  /** DER of the parameters; undefined where they are absent. */
  readonly parameters: Uint8Array | undefined
  #judged: { readonly name: SignatureAlgorithm | undefined; readonly saltLength: number | undefined } | undefined

  private constructor(der: Uint8Array, oid: string, parameters: Uint8Array | undefined) {
    this.der = der
    this.oid = oid
    this.parameters = parameters
  }

  /** Parses a whole AlgorithmIdentifier. @throws ERR_DER, ERR_OID_INVALID */
  static parse(der: Uint8Array): AlgorithmIdentifier {
    const reader = readWhole(der, tags.sequence, 'AlgorithmIdentifier')
    reader.expect(tags.oid, 'algorithm')
    const oid = decodeOid(der, reader.contentStart, reader.contentEnd)
    let parameters: Uint8Array | undefined
    if (!reader.done) {
      reader.next()
      parameters = reader.element()
      reader.finish('AlgorithmIdentifier')
    }
    return new AlgorithmIdentifier(der, oid, parameters)
  }

  /** The supported algorithm that the identifier names, its parameters being exactly right; otherwise undefined. */
  get signatureAlgorithm(): SignatureAlgorithm | undefined {
    return this.#judge().name
  }

  /** Octets of salt of an RSASSA-PSS signature. */
  get saltLength(): number | undefined {
    return this.#judge().saltLength
  }

  #judge(): { readonly name: SignatureAlgorithm | undefined; readonly saltLength: number | undefined } {
    this.#judged ??= judge(this)
    return this.#judged
  }
}

function judge(identifier: AlgorithmIdentifier): { name: SignatureAlgorithm | undefined; saltLength: number | undefined } {
  for (const info of Object.values(signatureAlgorithms)) {
    if (Buffer.compare(identifier.der, info.identifier) === 0) return { name: info.name, saltLength: info.saltLength }
  }
  if (identifier.oid === idRsassaPss && identifier.parameters !== undefined) {
    try {
      const { hash, saltLength } = parsePssParameters(identifier.parameters)
      return { name: hash === undefined ? undefined : pssByHash[hash], saltLength }
    } catch {
      // malformed parameters name no algorithm
    }
  }
  return { name: undefined, saltLength: undefined }
}

/**
 * RSASSA-PSS-params (RFC 4055 §3.1) in their other legal forms: another salt length, hash parameters left out.
 * `hash` is undefined for SHA-1 (the default), for MGF1 with another hash, and for other trailers.
 */
export function parsePssParameters(der: Uint8Array): { hash: HashName | undefined; saltLength: number } {
  const reader = readWhole(der, tags.sequence, 'RSASSA-PSS-params')
  let hash: HashName | undefined
  let mgfHash: HashName | undefined
  let saltLength = 20
  let trailer = 1
  if (reader.optional(contextConstructed(0))) hash = readHash(reader.inner())
  if (reader.optional(contextConstructed(1))) {
    const mgf = reader.inner().expect(tags.sequence, 'maskGenAlgorithm').inner()
    mgf.expect(tags.oid, 'maskGenAlgorithm')
    if (decodeOid(mgf.bytes, mgf.contentStart, mgf.contentEnd) === '1.2.840.113549.1.1.8') mgfHash = readHash(mgf)
  }
  if (reader.optional(contextConstructed(2))) saltLength = smallInteger(reader.inner().expect(tags.integer, 'saltLength'), 'saltLength')
  if (reader.optional(contextConstructed(3))) trailer = smallInteger(reader.inner().expect(tags.integer, 'trailerField'), 'trailerField')
  reader.finish('RSASSA-PSS-params')
  return { hash: hash === mgfHash && trailer === 1 ? hash : undefined, saltLength }
}

function readHash(reader: DerReader): HashName | undefined {
  const inner = reader.expect(tags.sequence, 'hashAlgorithm').inner()
  inner.expect(tags.oid, 'hashAlgorithm')
  const oid = decodeOid(inner.bytes, inner.contentStart, inner.contentEnd)
  if (!inner.done) inner.expect(tags.null, 'hashAlgorithm parameters')
  inner.finish('hashAlgorithm')
  return hashByOid[oid]
}

const idRsassaPss = '1.2.840.113549.1.1.10'

const hashByOid: Readonly<Record<string, HashName | undefined>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

const pssByHash: Readonly<Record<HashName, SignatureAlgorithm>> = {
  sha256: 'rsassa-pss-SHA256',
  sha384: 'rsassa-pss-SHA384',
  sha512: 'rsassa-pss-SHA512',
}
