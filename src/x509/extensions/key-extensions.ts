// Key usage, extended key usage, and the subject and authority key
// identifiers: RFC 5280 sections 4.2.1.3, 4.2.1.12, 4.2.1.1 and 4.2.1.2.

import {
  checkInteger,
  contextConstructed,
  contextPrimitive,
  implicit,
  lenientNamedBits,
  namedBitString,
  octetString,
  oid,
  readOid,
  readWhole,
  readerOf,
  sequence,
  tags,
} from '../../der/index.ts'
import type { DerInput } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readGeneralNames } from '../names/general-name-reader.ts'
import type { GeneralName } from '../names/general-name.ts'
import { serialNumberFromBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'

const names = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

/** A key usage, by its ASN.1 name. */
export type KeyUsageName = (typeof names)[number]

/** A set of key usages. */
export class KeyUsage {
  /** First named bit = bit 0. */
  readonly bits: number

  private constructor(bits: number) {
    this.bits = bits
  }

  /**
   * A set of the named usages.
   * @throws ERR_INVALID_ARGUMENT for an unknown name, so that a typo cannot silently omit a usage
   */
  static of(...usages: readonly KeyUsageName[]): KeyUsage {
    for (const name of usages)
      if (!names.includes(name))
        throw new PkiError(
          'ERR_INVALID_ARGUMENT',
          `unknown key usage ${JSON.stringify(name)} (RFC 5280 4.2.1.3)`,
        )
    return new KeyUsage(usages.reduce((bits, name) => bits | (1 << names.indexOf(name)), 0))
  }

  /**
   * Parses the extension's value. Trailing zero bits are accepted, because
   * roots of public CAs have them (X.690 11.2.2).
   * @throws ERR_DER
   */
  static parse(der: DerInput): KeyUsage {
    const reader = readerOf(der)
    const bits = lenientNamedBits(reader.expect(tags.bitString, 'keyUsage'), 'keyUsage')
    reader.finish('keyUsage')
    return new KeyUsage(bits)
  }

  /** Whether this usage is in the set. */
  has(name: KeyUsageName): boolean {
    return ((this.bits >> names.indexOf(name)) & 1) === 1
  }

  /** The usages in the order of the standard. */
  get names(): readonly KeyUsageName[] {
    return Object.freeze(names.filter((name) => this.has(name)))
  }

  /** DER of the extension's value. */
  toDer(): Uint8Array {
    return namedBitString(this.bits)
  }

  /** `digitalSignature, keyEncipherment`. */
  toString(): string {
    return this.names.join(', ')
  }

  /** The names, for JSON. */
  toJSON(): readonly KeyUsageName[] {
    return this.names
  }
}

/** Purposes as object identifiers, at least one. @throws ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_MALFORMED */
export function parseExtendedKeyUsage(der: DerInput): readonly string[] {
  const reader = readWhole(der, tags.sequence, 'extKeyUsage')
  const purposes: string[] = []
  while (!reader.done) {
    purposes.push(readOid(reader, 'KeyPurposeId'))
    if (purposes.length > maxPurposes)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `extKeyUsage: more than ${String(maxPurposes)} purposes`)
  }
  if (purposes.length === 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'extKeyUsage: the list is empty (RFC 5280: SIZE (1..MAX))')
  return purposes
}

/** DER of the extended key usage extension. */
export function encodeExtendedKeyUsage(purposes: readonly string[]): Uint8Array {
  return sequence(...purposes.map(oid))
}

const maxPurposes = 256

/** Identifies the issuer's key: by key identifier, or by issuer and serial number of its certificate. */
export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | undefined
  readonly issuer: readonly GeneralName[] | undefined
  readonly serialNumber: SerialNumber | undefined
}

/** @throws ERR_DER */
export function parseSubjectKeyIdentifier(der: DerInput): Uint8Array {
  const reader = readerOf(der)
  const identifier = reader.expect(tags.octetString, 'subjectKeyIdentifier').content()
  reader.finish('subjectKeyIdentifier')
  if (identifier.length === 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'subjectKeyIdentifier: the identifier is empty')
  return identifier
}

/** DER of the subject key identifier extension. */
export function encodeSubjectKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return octetString(identifier)
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED, ERR_NAME_INVALID */
export function parseAuthorityKeyIdentifier(
  der: DerInput,
  tolerances: readonly Tolerance[] = noTolerances,
): AuthorityKeyIdentifier {
  const reader = readWhole(der, tags.sequence, 'authorityKeyIdentifier')
  const keyIdentifier = reader.optional(contextPrimitive(0), 'keyIdentifier') ? reader.content() : undefined
  const issuer = reader.optional(contextConstructed(1), 'authorityCertIssuer')
    ? readGeneralNames(reader.inner(), 'authorityCertIssuer', tolerances)
    : undefined
  let serialNumber: SerialNumber | undefined
  if (reader.optional(contextPrimitive(2), 'authorityCertSerialNumber')) {
    checkInteger(reader.bytes, reader.contentStart, reader.contentEnd, 'authorityCertSerialNumber')
    serialNumber = serialNumberFromBytes(reader.content())
  }
  reader.finish('authorityKeyIdentifier')
  // RFC 5280 appendix A.2: both or neither.
  if ((issuer === undefined) !== (serialNumber === undefined)) {
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'authorityKeyIdentifier: issuer and serial number must both be present or absent (RFC 5280 4.2.1.1)',
    )
  }
  return { keyIdentifier, issuer, serialNumber }
}

/** DER of an authority key identifier with keyIdentifier only, the one form that is issued. */
export function encodeAuthorityKeyIdentifier(keyIdentifier: Uint8Array): Uint8Array {
  return sequence(implicit(0, keyIdentifier))
}
