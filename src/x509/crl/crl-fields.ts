// Reads the fields of a CRL from its DER; entries are scanned, not decoded (RFC 5280 §5.1).

import { contextConstructed, readTime, readWhole, smallInteger, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { checkSignedAlgorithm, readSigned } from '../algorithms/signed-parts.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import { readExtensions } from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import type { Tolerance } from '../tolerances.ts'
import { scanEntries } from './entry-scan.ts'
import type { EntryScan } from './entry-scan.ts'

/** The parts of a list. */
export interface CrlParts {
  readonly tbs: Uint8Array
  readonly signature: Uint8Array
  readonly version: 1 | 2
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly issuer: DistinguishedName
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  readonly extensions: readonly Extension[]
  /** False only for a list that is used for its revocations: an extension of it cannot be read. */
  readonly hasEveryExtension: boolean
  /** Undefined if the list is empty. */
  readonly entries: EntryScan | undefined
}

/**
 * `scan` is `scanEntries` unless the entries were scanned before.
 *
 * @throws ERR_CRL_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_ALGORITHM_MISMATCH, ERR_EXTENSION_DUPLICATE,
 * ERR_LIMIT_EXCEEDED
 */
export function readCrlFields(
  der: Uint8Array,
  tolerances: readonly Tolerance[],
  scan: typeof scanEntries = scanEntries,
): CrlParts {
  const list = readWhole(der, tags.sequence, 'CertificateList')
  const { tbs: tbsDer, content: tbs, algorithm, signature } = readSigned(list, 'tbsCertList')
  list.finish('CertificateList')
  const version = readVersion(tbs)
  checkSignedAlgorithm(tbs, algorithm, 'RFC 5280 5.1.1.2')
  const issuer = DistinguishedName.over(tbs.expect(tags.sequence, 'issuer').element(), tolerances, 'issuer')
  const thisUpdate = new Date(readTime(tbs, 'thisUpdate'))
  const nextUpdate = isTime(tbs.peek()) ? new Date(readTime(tbs, 'nextUpdate')) : undefined
  let listed: DerReader | undefined
  if (tbs.optional(tags.sequence, 'revokedCertificates')) {
    listed = tbs.inner()
    // RFC 5280 5.1.2.6 requires issuers to omit an empty field; some libraries write it, with the same
    // meaning.
    if (listed.done) listed = undefined
  }
  const extensions = Object.freeze(readListExtensions(tbs, version, tolerances))
  tbs.finish('tbsCertList')
  return {
    tbs: tbsDer,
    signature,
    version,
    signatureAlgorithm: AlgorithmIdentifier.parse(algorithm),
    issuer,
    thisUpdate,
    nextUpdate,
    extensions,
    hasEveryExtension: true,
    entries: listed && scan(der, listed.offset, listed.end, version, tolerances),
  }
}

function isTime(tag: number): boolean {
  return tag === tags.utcTime || tag === tags.generalizedTime
}

/** Absent means version 1; the only other value is 1, which means version 2 (RFC 5280 5.1.2.1). */
function readVersion(tbs: DerReader): 1 | 2 {
  if (tbs.peek() !== tags.integer) return 1
  tbs.next('version')
  const value = smallInteger(tbs, 'version')
  if (value !== 1)
    throw new PkiError(
      'ERR_CRL_MALFORMED',
      `the version is ${value + 1}, expected 2; version 1 has no version field (RFC 5280 5.1.2.1)`,
    )
  return 2
}

function readListExtensions(
  tbs: DerReader,
  version: 1 | 2,
  tolerances: readonly Tolerance[],
): readonly Extension[] {
  if (!tbs.optional(contextConstructed(0), 'crlExtensions')) return []
  if (version === 1)
    throw new PkiError('ERR_CRL_MALFORMED', 'a CRL of version 1 has extensions (RFC 5280 5.1.2.1)')
  const wrapper = tbs.inner()
  const list = wrapper.expect(tags.sequence, 'crlExtensions').inner()
  wrapper.finish('crlExtensions')
  return readExtensions(list, 'crlExtensions', tolerances)
}
