// Builds a CRL from its fields; entries are written into one growing buffer (RFC 5280 section 5).

import { readOptions } from '../../internal/options.ts'
import { encodeTime, explicit, integer, sequence, tags, writeHeader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { signatureAlgorithms } from '../algorithms/signature-algorithm.ts'
import type { SignatureAlgorithm } from '../algorithms/signature-algorithm.ts'
import type { Signer } from '../algorithms/signer.ts'
import { assembleSigned, requireSigner } from '../certificate/certificate-builder.ts'
import {
  encodeIssuingDistributionPoint,
  parseIssuingDistributionPoint,
} from '../extensions/distribution-points.ts'
import {
  encodeCrlNumber,
  encodeInvalidityDate,
  crlReasons,
  encodeReasonCode,
  parseCrlNumber,
} from '../extensions/revocation-extensions.ts'
import type { IssuingDistributionPoint } from '../extensions/distribution-points.ts'
import type { CrlReason } from '../extensions/revocation-extensions.ts'
import {
  encodeExtension,
  extensionOids as oids,
  readable,
  requireExtensions,
} from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'
import { encodeAuthorityKeyIdentifier } from '../extensions/key-extensions.ts'
import { encodeAltName } from '../names/general-name-encoder.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import type { GeneralName } from '../names/general-name.ts'
import { noTolerances } from '../tolerances.ts'
import { Crl } from './crl.ts'
import { scanEntries } from './entry-scan.ts'
import { serialNumberBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'

/** One certificate to list. @inline */
export interface RevokedCertificate {
  /** The number of the revoked certificate. */
  readonly serialNumber: SerialNumber | Uint8Array
  /** When it was revoked; written to the second. */
  readonly revocationDate: Date
  /** Omitted if it is `unspecified` (RFC 5280 §5.3.1). */
  readonly reason?: CrlReason | undefined
  /** Since when the key may have been compromised (RFC 5280 §5.3.2). Default: omitted. */
  readonly invalidityDate?: Date | undefined
  /** For indirect CRLs: applies to the following entries too. */
  readonly certificateIssuer?: readonly GeneralName[] | undefined
}

/** The contents of a list. @inline */
export interface CrlFields {
  /** Name of the CA, or of the CRL issuer, parsed or as RFC 4514 text. */
  readonly issuer: DistinguishedName | string
  /** The issue date of the list; written to the second. */
  readonly thisUpdate: Date
  /** The latest date of the next list. */
  readonly nextUpdate: Date
  /** Must be higher than in the previous list (RFC 5280 §5.2.3); at most 20 octets. */
  readonly crlNumber: bigint | number
  /** The issuer's subjectKeyIdentifier. */
  readonly authorityKeyIdentifier: Uint8Array
  /** The revoked certificates, read once, in this order. */
  readonly entries: Iterable<RevokedCertificate>
  /** Number of the complete list that this delta list extends (§5.2.4). */
  readonly deltaCrlIndicator?: bigint | number
  /** The scope of the list, if it does not cover everything (§5.2.5). */
  readonly issuingDistributionPoint?: Partial<IssuingDistributionPoint>
  /** Any other extension, already encoded. */
  readonly other?: readonly Extension[] | undefined
}

/**
 * Builds and signs a list of version 2.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID; the errors of the signer
 * @example
 * ```ts
 * const revoked = await buildCrl({
 *   issuer: root.subject, thisUpdate: new Date(), nextUpdate: new Date(Date.now() + 86_400_000), crlNumber:
 * 1,
 *   authorityKeyIdentifier: root.publicKey.keyIdentifier, entries: [{ serialNumber: leaf.serialNumber,
 * revocationDate: new Date() }],
 * }, signer)
 * ```
 */
export async function buildCrl(fields: CrlFields, signer: Signer): Promise<Crl> {
  const { signatureAlgorithm } = requireSigner(signer)
  const read = readOptions<CrlFields>('buildCrl', fields, crlFields)
  const tbs = encodeTbsCrl(read, signatureAlgorithm)
  return Crl.parse(assembleSigned(tbs, signatureAlgorithm, await signer.sign(tbs)))
}

/** The exact bytes to sign for a list. @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID */
export function encodeTbsCrl(fields: CrlFields, algorithm: SignatureAlgorithm): Uint8Array {
  const { entries: listed } = Object(fields) as Partial<CrlFields>
  if (typeof listed?.[Symbol.iterator] !== 'function') throw incomplete()
  const entries = encodeCrlEntries(listed)
  const [fault] = scanEntries(entries, 0, entries.length, 2, noTolerances).faults
  if (fault !== undefined) throw new PkiError(fault.code, fault.reason)
  const { before, after } = encodeCrlFrame(fields, algorithm)
  return sequence(
    before,
    // RFC 5280 5.1.2.6: the field MUST be absent if no certificate is revoked.
    ...(entries.length === 0 ? [] : [sequence(entries)]),
    after,
  )
}

/**
 * The fields of a TBSCertList before and after the entries.
 * @throws ERR_INVALID_ARGUMENT, ERR_NAME_INVALID
 */
export function encodeCrlFrame(
  fields: Omit<CrlFields, 'entries'>,
  algorithm: SignatureAlgorithm,
): { readonly before: Uint8Array; readonly after: Uint8Array } {
  const { issuer: name, thisUpdate, nextUpdate } = Object(fields) as Partial<CrlFields>
  if (name === undefined || !(thisUpdate instanceof Date) || !(nextUpdate instanceof Date)) throw incomplete()
  const issuer = DistinguishedName.from(name)
  if (!(thisUpdate.getTime() < nextUpdate.getTime()))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'nextUpdate is not after thisUpdate')
  for (const number of [fields.crlNumber, fields.deltaCrlIndicator ?? 0n]) {
    if (typeof number === 'bigint' || Number.isSafeInteger(number)) continue
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `the CRL number is ${number}; expected a BigInt or a safe integer`,
    )
  }
  return {
    before: Buffer.concat([
      integer(1),
      signatureAlgorithms[algorithm].identifier,
      issuer.der,
      encodeTime(thisUpdate.getTime()),
      encodeTime(nextUpdate.getTime()),
    ]),
    after: explicit(0, sequence(...listExtensions(fields).map(encodeExtension))),
  }
}

function incomplete(): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', 'a list needs an issuer, thisUpdate, nextUpdate and entries')
}

/** Encoded fields are parsed again: a list that its readers refuse revokes nothing. */
function listExtensions({
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  issuingDistributionPoint,
  other = [],
}: Omit<CrlFields, 'entries'>): Extension[] {
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

/** The entries one after the other, without the header around them. @throws ERR_INVALID_ARGUMENT */
export function encodeCrlEntries(entries: Iterable<RevokedCertificate>): Uint8Array {
  let out = new Uint8Array(64 * 1024)
  let at = 0
  let time: { readonly ms: number; readonly der: Uint8Array } | undefined
  for (const entry of entries) {
    for (const key in entry) if (!entryFields.has(key)) throw unknownField(key)
    const { serialNumber, revocationDate } = Object(entry) as RevokedCertificate
    const serial = serialNumber instanceof Uint8Array ? serialNumber : serialNumberBytes(serialNumber)
    if (serial.length === 0 || serial.length > 20)
      throw new PkiError('ERR_INVALID_ARGUMENT', `the serial number has ${serial.length} octets`)
    if (!(revocationDate instanceof Date))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'an entry needs a serialNumber and a revocationDate')
    const ms = revocationDate.getTime()
    // Lists are mostly sorted by time: adjacent entries often have the same date.
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

const crlFields = {
  issuer: 'required',
  thisUpdate: 'required',
  nextUpdate: 'required',
  crlNumber: 'required',
  authorityKeyIdentifier: 'required',
  entries: 'required',
  deltaCrlIndicator: 'guard',
  issuingDistributionPoint: 'guard',
  other: 'optional',
} as const
/** The type makes the compiler check that no field is missing. */
const isEntryField: Record<keyof RevokedCertificate, true> = {
  serialNumber: true,
  revocationDate: true,
  reason: true,
  invalidityDate: true,
  certificateIssuer: true,
}
const entryFields: ReadonlySet<string> = new Set(Object.keys(isEntryField))

/** A misspelt `certificateIssuer` would revoke the certificate of another CA. */
function unknownField(name: string): PkiError {
  const known = [...entryFields].join(', ')
  return new PkiError('ERR_INVALID_ARGUMENT', `an entry has no ${JSON.stringify(name)}; it has ${known}`)
}
const nothing = new Uint8Array(0)
/** The entry extensions of an entry with a reason only. */
const reasonExtensions: ReadonlyMap<CrlReason, Uint8Array> = new Map(
  crlReasons.flatMap((reason) =>
    // An entry without the extension means "unspecified" (RFC 5280 §5.3.1).
    reason === undefined || reason === 'unspecified' ? [] : [[reason, reasonExtension(reason)] as const],
  ),
)

function reasonExtension(reason: CrlReason): Uint8Array {
  return sequence(encodeExtension({ oid: oids.reasonCode, critical: false, value: encodeReasonCode(reason) }))
}
