// Object identifiers of known extensions and purposes, and the frame of an
// extension (RFC 5280 section 4.1.2.9).

import {
  booleanContent,
  element,
  octetString,
  oid as oidElement,
  readOid,
  sequence,
  tags,
} from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { acceptedBy, noTolerances, refuseExplicitDefault } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'

/** Certificate, CRL and CRL entry extensions: RFC 5280 sections 4.2, 5.2 and 5.3. */
export const extensionOids = {
  subjectDirectoryAttributes: '2.5.29.9',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCrl: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  noRevAvail: '2.5.29.56',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
} as const
Object.freeze(extensionOids)

/** Key purposes of the extended key usage extension: RFC 5280 section 4.2.1.12. */
export const keyPurposeOids = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
} as const
Object.freeze(keyPurposeOids)

/** The special policy that matches every policy (RFC 5280 section 4.2.1.4). */
export const anyPolicy = '2.5.29.32.0'

/** One extension as found. @inline */
export interface Extension {
  /** Object identifier, dotted. */
  readonly oid: string
  readonly critical: boolean
  /** DER of the extension's own type: the content of the extnValue OCTET STRING; a view. */
  readonly value: Uint8Array
}

/**
 * Reads `SEQUENCE OF Extension`; a duplicate type is refused, unless types `mayRepeat`. Each is frozen.
 *
 * @throws ERR_EXTENSION_DUPLICATE, ERR_DER, ERR_OID_INVALID, ERR_LIMIT_EXCEEDED
 */
export function readExtensions(
  list: DerReader,
  what: string,
  tolerances: readonly Tolerance[] = noTolerances,
  mayRepeat = false,
): Extension[] {
  return scanExtensions(list, what, tolerances, mayRepeat).map((found) => extensionOf(list.bytes, found))
}

/** The type, criticality and position of an extension in the scanned octets. */
export interface ScannedExtension {
  readonly oid: string
  readonly critical: boolean
  readonly start: number
  readonly end: number
}

/** The extension, with a view of its value; frozen. */
export function extensionOf(bytes: Uint8Array, { oid, critical, start, end }: ScannedExtension): Extension {
  return Object.freeze({ oid, critical, value: bytes.subarray(start, end) })
}

/**
 * Reads the list without creating a view of each value, because few values are decoded. @throws as
 * `readExtensions`
 */
export function scanExtensions(
  list: DerReader,
  what: string,
  tolerances: readonly Tolerance[],
  mayRepeat = false,
): ScannedExtension[] {
  const extensions: ScannedExtension[] = []
  if (list.done && !tolerances.includes('empty-extensions')) {
    throw new PkiError(
      'ERR_DER',
      `${what}: the list of extensions is empty (RFC 5280 4.1: SIZE ` +
        `(1..MAX))${acceptedBy('empty-extensions')}`,
    )
  }
  while (!list.done) {
    if (extensions.length >= maxExtensions)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `${what}: more than ${String(maxExtensions)} extensions`)
    const sequenceEnd = list.enter(tags.sequence, 'Extension')
    const oid = readOid(list, 'extnID')
    const critical = defaultFalse(list, tags.boolean, 'critical', tolerances, oid)
    const { contentStart: start, contentEnd: end } = list.expect(tags.octetString, 'extnValue')
    list.leave(sequenceEnd, 'Extension')
    for (const known of extensions) {
      if (known.oid === oid && !mayRepeat)
        throw new PkiError('ERR_EXTENSION_DUPLICATE', `${what}: duplicate extension ${oid} (RFC 5280 4.2)`)
    }
    extensions.push({ oid, critical, start, end })
  }
  return extensions
}

/** `BOOLEAN DEFAULT FALSE` with this tag; an encoded FALSE is refused unless tolerated. @throws ERR_DER */
export function defaultFalse(
  reader: DerReader,
  tag: number,
  what: string,
  tolerances: readonly Tolerance[],
  extension = '',
): boolean {
  if (!reader.optional(tag, what)) return false
  if (booleanContent(reader, what)) return true
  refuseExplicitDefault(`${extension === '' ? '' : `extension ${extension}: `}${what} FALSE`, tolerances)
  return false
}

/** Checks extensions that a caller has encoded. @throws ERR_INVALID_ARGUMENT for another type */
export function requireExtensions(list: readonly Extension[]): readonly Extension[] {
  const items: readonly unknown[] | undefined = Array.isArray(list) ? list : undefined
  const areAll = items?.every((one) => {
    const { oid, critical, value } = Object(one) as Partial<Extension>
    return typeof oid === 'string' && typeof critical === 'boolean' && value instanceof Uint8Array
  })
  if (areAll === true) return list
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    '`other` must be a list of extensions, each with oid, critical and the octets of its value',
  )
}

/** DER of one extension. */
export function encodeExtension({ oid, critical, value }: Extension): Uint8Array {
  const id = knownOids.get(oid) ?? oidElement(oid)
  return critical ? sequence(id, criticalTrue, octetString(value)) : sequence(id, octetString(value))
}

/**
 * Decodes the encoded value again: a builder may have been given values that are invalid for the type (an
 * empty list, a negative count, contradicting flags). Limits of this package are not applied.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function readable(
  value: Uint8Array,
  read: ((der: Uint8Array) => unknown) | undefined,
  oid: string,
): Uint8Array {
  try {
    read?.(value)
    return value
  } catch (cause) {
    if (isPkiError(cause, 'ERR_LIMIT_EXCEEDED')) return value
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `extension ${oid} cannot have this value: ${(cause as Error).message}`,
      { cause },
    )
  }
}

/** The extensions of nearly every certificate, encoded once. */
const knownOids: ReadonlyMap<string, Uint8Array> = new Map(
  Object.values(extensionOids).map((oid) => [oid, oidElement(oid)]),
)
const criticalTrue = element(tags.boolean, Uint8Array.of(0xff))

const maxExtensions = 100
