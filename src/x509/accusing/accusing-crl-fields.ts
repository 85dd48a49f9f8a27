// Reads a CRL that the strict reader refuses, for its revocations only: every field that identifies a listed
// certificate with certainty.

import { contextConstructed, DerReader, smallInteger, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readSigned } from '../algorithms/signed-parts.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import { scanEntries } from '../crl/entry-scan.ts'
import type { EntryScan } from '../crl/entry-scan.ts'
import type { CrlParts } from '../crl/crl-fields.ts'
import { ifReadable } from '../crl/revoked-entry.ts'
import type { Extension } from '../extensions/extension.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import type { Tolerance } from '../tolerances.ts'
import { readAccusingExtensions } from './accusing-extensions.ts'
import { readCertainTime } from './certain-time.ts'

/**
 * The parts of a list, without what cannot be read: dates in another form, octets after the list or inside
 * it, extensions, entries. Also tolerated: extensions in version 1, repeated ones, and an algorithm outside
 * the signed octets that differs from the one inside. A nextUpdate that cannot be read counts as passed: the
 * list then shows permanent revocations only. A list without a readable thisUpdate is refused, because its
 * thisUpdate may be in the future.
 *
 * @throws ERR_DER, ERR_CRL_MALFORMED, ERR_TIME_INVALID, ERR_LIMIT_EXCEEDED
 */
export function readCrlToAccuse(der: Uint8Array, tolerances: readonly Tolerance[]): CrlParts {
  const list = new DerReader(der).expect(tags.sequence, 'CertificateList').inner()
  const { tbs: tbsDer, content: tbs, algorithm, signature } = readSigned(list, 'tbsCertList')
  const version = readVersion(tbs)
  tbs.expect(tags.sequence, 'signature')
  const issuer = DistinguishedName.over(tbs.expect(tags.sequence, 'issuer').element(), tolerances, 'issuer')
  const thisUpdate = readCertainTime(tbs)
  if (thisUpdate === undefined)
    throw new PkiError('ERR_TIME_INVALID', 'thisUpdate cannot be read, so it may be in the future')
  const nextUpdate = readNextUpdate(tbs)
  const listed = tbs.optional(tags.sequence, 'revokedCertificates') ? tbs.inner() : undefined
  return {
    tbs: tbsDer,
    signature,
    version,
    signatureAlgorithm: AlgorithmIdentifier.parse(algorithm),
    issuer,
    thisUpdate: new Date(thisUpdate),
    nextUpdate,
    ...readRest(tbs, tolerances),
    entries: listed && scanReadable(listed, version, tolerances),
  }
}

/**
 * Reads the version as the strict reader does, and also accepts an explicit version 1. @throws
 * ERR_CRL_MALFORMED for a version that is unknown
 */
function readVersion(tbs: DerReader): 1 | 2 {
  if (!tbs.optional(tags.integer, 'version')) return 1
  const value = smallInteger(tbs, 'version')
  if (value > 1) throw new PkiError('ERR_CRL_MALFORMED', `the version is ${value + 1}, expected 2`)
  return value === 1 ? 2 : 1
}

/**
 * Reads every element between thisUpdate and the entries. If there are several, nextUpdate is uncertain and
 * counts as passed. @throws ERR_DER
 */
function readNextUpdate(tbs: DerReader): Date | undefined {
  let found: Date | undefined
  while (!tbs.done && tbs.peek() !== tags.sequence && tbs.peek() !== contextConstructed(0)) {
    const read = readCertainTime(tbs)
    found = found === undefined && read !== undefined ? new Date(read) : passed
  }
  return found
}

/**
 * Reads everything after the entries: the extensions at any position. Other elements and octets are ignored.
 */
function readRest(
  tbs: DerReader,
  tolerances: readonly Tolerance[],
): Pick<CrlParts, 'extensions' | 'hasEveryExtension'> {
  const extensions: Extension[] = []
  let hasEveryExtension = true
  while (!tbs.done) {
    const tag = ifReadable(() => tbs.next())
    const read = tag === contextConstructed(0) ? readAccusingExtensions(tbs.inner(), tolerances) : undefined
    extensions.push(...(read?.extensions ?? []))
    hasEveryExtension &&= read?.areAll === true
    if (tag === undefined) break
  }
  return { extensions: Object.freeze(extensions), hasEveryExtension }
}

/** The entries before the first octets that are not an element. @throws ERR_LIMIT_EXCEEDED */
function scanReadable(
  listed: DerReader,
  version: 1 | 2,
  tolerances: readonly Tolerance[],
): EntryScan | undefined {
  const { bytes, offset: start } = listed
  ifReadable(() => {
    while (!listed.done) listed.next()
  })
  return listed.offset === start
    ? undefined
    : scanEntries(bytes, start, listed.offset, version, tolerances, true)
}

/** A time before every verification. */
const passed = new Date(0)
