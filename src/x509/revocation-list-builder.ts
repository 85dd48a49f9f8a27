// A CRL from its fields: entries go straight into one growing buffer. RFC 5280 section 5.

import { encodeTime, explicit, integer, sequence, tags, writeHeader } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { requireOctets } from '../internal/bytes.ts'
import { signatureAlgorithms } from './algorithms/signature-algorithm.ts'
import type { SignatureAlgorithm } from './algorithms/signature-algorithm.ts'
import type { Signer } from './algorithms/signer.ts'
import { assembleSigned, requireSigner } from './certificate-builder.ts'
import {
  encodeCrlNumber,
  encodeInvalidityDate,
  encodeReasonCode,
  encodeIssuingDistributionPoint,
  parseCrlNumber,
  parseIssuingDistributionPoint,
} from './extensions/revocation-extensions.ts'
import type { CrlReason, IssuingDistributionPoint } from './extensions/revocation-extensions.ts'
import {
  encodeExtension,
  extensionOids as oids,
  readable,
  requireExtensions,
} from './extensions/extension.ts'
import type { Extension } from './extensions/extension.ts'
import { encodeAuthorityKeyIdentifier } from './extensions/key-extensions.ts'
import { encodeAltName } from './names/general-name.ts'
import { DistinguishedName } from './names/distinguished-name.ts'
import type { GeneralName } from './names/general-name.ts'
import { RevocationList } from './revocation-list.ts'
import { serialNumberBytes } from './serial-number.ts'
import type { SerialNumber } from './serial-number.ts'

/** One certificate to list. */
export interface RevokedCertificate {
  /** The number of the revoked certificate. */
  readonly serialNumber: SerialNumber | Uint8Array
  /** When it was revoked; written to the second. */
  readonly revocationDate: Date
  /** Left out where it is `unspecified` (RFC 5280 §5.3.1). */
  readonly reason?: CrlReason | undefined
  /** Since when its key may have been known to others (RFC 5280 §5.3.2); left out without one. */
  readonly invalidityDate?: Date | undefined
  /** For indirect CRLs: holds for the entries that follow, too. */
  readonly certificateIssuer?: readonly GeneralName[] | undefined
}

/** What will be in a list. */
export interface RevocationListFields {
  /** Name of the CA, or of the CRL issuer, parsed or as RFC 4514 text. */
  readonly issuer: DistinguishedName | string
  /** When the list is made; written to the second. */
  readonly thisUpdate: Date
  /** When the next one is there at the latest. */
  readonly nextUpdate: Date
  /** Above that of the list before (RFC 5280 §5.2.3); at most 20 octets. */
  readonly crlNumber: bigint | number
  /** The issuer's subjectKeyIdentifier. */
  readonly authorityKeyIdentifier: Uint8Array
  /** What is revoked, read once and in its order. */
  readonly entries: Iterable<RevokedCertificate>
  /** Number of the complete list that this one adds to (§5.2.4). */
  readonly deltaCrlIndicator?: bigint | number | undefined
  /** What the list is about, where it is not about everything (§5.2.5). */
  readonly issuingDistributionPoint?: Partial<IssuingDistributionPoint> | undefined
  /** Any other extension, already encoded. */
  readonly other?: readonly Extension[] | undefined
}

/**
 * Builds and signs a list of version 2.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID; what the signer throws
 * @example
 * ```ts
 * const revoked = await buildRevocationList({
 *   issuer: root.subject, thisUpdate: new Date(), nextUpdate: new Date(Date.now() + 86_400_000), crlNumber: 1,
 *   authorityKeyIdentifier: root.publicKey.keyIdentifier, entries: [{ serialNumber: leaf.serialNumber, revocationDate: new Date() }],
 * }, signer)
 * ```
 */
export async function buildRevocationList(
  fields: RevocationListFields,
  signer: Signer,
): Promise<RevocationList> {
  const { signatureAlgorithm } = requireSigner(signer)
  const tbs = encodeTbsRevocationList(fields, signatureAlgorithm)
  return RevocationList.parse(assembleSigned(tbs, signatureAlgorithm, await signer.sign(tbs)))
}

/** The exact bytes to sign for a list. @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID */
export function encodeTbsRevocationList(
  fields: RevocationListFields,
  algorithm: SignatureAlgorithm,
): Uint8Array {
  const {
    issuer: name,
    thisUpdate,
    nextUpdate,
    entries: listed,
  } = Object(fields) as Partial<RevocationListFields>
  if (
    name === undefined ||
    !(thisUpdate instanceof Date) ||
    !(nextUpdate instanceof Date) ||
    typeof listed?.[Symbol.iterator] !== 'function'
  ) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a list has an issuer, thisUpdate, nextUpdate and entries')
  }
  const issuer = DistinguishedName.from(name)
  if (!(thisUpdate.getTime() < nextUpdate.getTime()))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'nextUpdate is not after thisUpdate')
  for (const number of [fields.crlNumber, fields.deltaCrlIndicator ?? 0n]) {
    if (typeof number === 'bigint' || Number.isSafeInteger(number)) continue
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${number} is no CRL number: a BigInt, or a whole number that is exact`,
    )
  }
  const entries = encodeEntries(listed)
  return sequence(
    integer(1),
    signatureAlgorithms[algorithm].identifier,
    issuer.der,
    encodeTime(thisUpdate.getTime()),
    encodeTime(nextUpdate.getTime()),
    // RFC 5280 5.1.2.6: the field MUST be absent where nothing is revoked.
    ...(entries.length === 0 ? [] : [sequence(entries)]),
    explicit(0, sequence(...listExtensions(fields).map(encodeExtension))),
  )
}

/** What stands in fields is read back: a list that its readers refuse revokes nothing. */
function listExtensions({
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  issuingDistributionPoint,
  other = [],
}: RevocationListFields): Extension[] {
  requireOctets(authorityKeyIdentifier, 'authorityKeyIdentifier')
  requireExtensions(other)
  const list: Extension[] = [
    {
      oid: oids.authorityKeyIdentifier,
      critical: false,
      value: encodeAuthorityKeyIdentifier(authorityKeyIdentifier),
    },
  ]
  const add = (
    oid: string,
    critical: boolean,
    value: Uint8Array,
    read: (der: Uint8Array) => unknown,
  ): void => {
    list.push({ oid, critical, value: readable(value, read, oid) })
  }
  add(oids.crlNumber, false, encodeCrlNumber(crlNumber), parseCrlNumber)
  if (deltaCrlIndicator !== undefined)
    add(oids.deltaCrlIndicator, true, encodeCrlNumber(deltaCrlIndicator), parseCrlNumber)
  if (issuingDistributionPoint !== undefined)
    add(
      oids.issuingDistributionPoint,
      true,
      encodeIssuingDistributionPoint(issuingDistributionPoint),
      parseIssuingDistributionPoint,
    )
  return [...list, ...other]
}

function encodeEntries(entries: Iterable<RevokedCertificate>): Uint8Array {
  let out = new Uint8Array(64 * 1024)
  let at = 0
  let time: { readonly ms: number; readonly der: Uint8Array } | undefined
  for (const entry of entries) {
    const { serialNumber, revocationDate } = Object(entry) as RevokedCertificate
    const serial = serialNumber instanceof Uint8Array ? serialNumber : serialNumberBytes(serialNumber)
    if (serial.length === 0 || serial.length > 20)
      throw new PkiError('ERR_INVALID_ARGUMENT', `a serial number of ${serial.length} octets`)
    if (!(revocationDate instanceof Date))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'an entry has a serialNumber and a revocationDate')
    const ms = revocationDate.getTime()
    // Lists are mostly in order of time: neighbours share theirs.
    if (time?.ms !== ms) time = { ms, der: encodeTime(ms) }
    const extensions = entryExtensions(entry)
    const length = 2 + serial.length + time.der.length + extensions.length
    if (at + length + 6 > out.length) {
      const larger = new Uint8Array((out.length + length) * 2)
      larger.set(out)
      out = larger
    }
    at = writeHeader(out, at, tags.sequence, length)
    at = writeHeader(out, at, tags.integer, serial.length)
    out.set(serial, at)
    out.set(time.der, at + serial.length)
    out.set(extensions, at + serial.length + time.der.length)
    at += serial.length + time.der.length + extensions.length
  }
  return out.subarray(0, at)
}

function entryExtensions({
  reason = 'unspecified',
  invalidityDate,
  certificateIssuer,
}: RevokedCertificate): Uint8Array {
  if (invalidityDate === undefined && certificateIssuer === undefined) {
    const plain = reason === 'unspecified' ? nothing : reasonExtensions.get(reason)
    if (plain !== undefined) return plain
  }
  const list: Extension[] = []
  if (reason !== 'unspecified')
    list.push({ oid: oids.reasonCode, critical: false, value: encodeReasonCode(reason) })
  if (invalidityDate !== undefined)
    list.push({
      oid: oids.invalidityDate,
      critical: false,
      value: encodeInvalidityDate(invalidityDate.getTime()),
    })
  if (certificateIssuer !== undefined)
    list.push({ oid: oids.certificateIssuer, critical: true, value: encodeAltName(certificateIssuer) })
  return sequence(...list.map(encodeExtension))
}

const nothing = new Uint8Array(0)
const givenReasons = [
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const
/** The entry extensions of an entry that gives a reason and nothing else. */
const reasonExtensions: ReadonlyMap<CrlReason, Uint8Array> = new Map(
  givenReasons.map((reason) => [
    reason,
    sequence(encodeExtension({ oid: oids.reasonCode, critical: false, value: encodeReasonCode(reason) })),
  ]),
)
