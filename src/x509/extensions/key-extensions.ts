// Key usage and extended key usage: RFC 5280 sections 4.2.1.3 and 4.2.1.12.
// Subject and authority key identifiers: RFC 5280 sections 4.2.1.1 and 4.2.1.2.

import {
  DerReader,
  checkInteger,
  contextConstructed,
  contextPrimitive,
  implicit,
  namedBits,
  namedBitString,
  octetString,
  oid,
  oidContent,
  readWhole,
  sequence,
  tags,
} from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readGeneralNames } from '../names/general-name.ts'
import type { GeneralName } from '../names/general-name.ts'
import { serialNumberFromBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'

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

/** A purpose of the key, by its ASN.1 name. */
export type KeyUsageName = (typeof names)[number]

/** A set of key usages. */
export class KeyUsage {
  /** First named bit = bit 0. */
  readonly bits: number

  private constructor(bits: number) {
    this.bits = bits
  }

  /** The usages named. @throws ERR_INVALID_ARGUMENT for a name that is none: a usage that is left out by a slip is a certificate that does not work */
  static of(...usages: readonly KeyUsageName[]): KeyUsage {
    for (const name of usages)
      if (!names.includes(name))
        throw new PkiError(
          'ERR_INVALID_ARGUMENT',
          `${JSON.stringify(name)} is no key usage (RFC 5280 4.2.1.3)`,
        )
    return new KeyUsage(usages.reduce((bits, name) => bits | (1 << names.indexOf(name)), 0))
  }

  /** Parses the extension's value. @throws ERR_DER */
  static parse(der: Uint8Array): KeyUsage {
    const reader = new DerReader(der)
    const bits = namedBits(reader.expect(tags.bitString, 'keyUsage'), 'keyUsage')
    reader.finish('keyUsage')
    return new KeyUsage(bits)
  }

  /** Whether this usage is among them. */
  has(name: KeyUsageName): boolean {
    return ((this.bits >> names.indexOf(name)) & 1) === 1
  }

  /** The usages in the order of the standard. */
  get names(): readonly KeyUsageName[] {
    return names.filter((name) => this.has(name))
  }

  /** DER of the extension's value. */
  toDer(): Uint8Array {
    return namedBitString(this.bits)
  }

  /** `digitalSignature, keyEncipherment`. */
  toString(): string {
    return this.names.join(', ')
  }

  /** The names: what a set is in JSON. */
  toJSON(): readonly KeyUsageName[] {
    return this.names
  }
}

/** Purposes as object identifiers, at least one. @throws ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_MALFORMED */
export function parseExtendedKeyUsage(der: Uint8Array): readonly string[] {
  const reader = readWhole(der, tags.sequence, 'extKeyUsage')
  const purposes: string[] = []
  while (!reader.done) {
    purposes.push(oidContent(reader.expect(tags.oid, 'KeyPurposeId')))
    if (purposes.length > maxPurposes)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `extKeyUsage: more than ${String(maxPurposes)} purposes`)
  }
  if (purposes.length === 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'extKeyUsage: no purpose at all (RFC 5280: SIZE (1..MAX))')
  return purposes
}

/** DER of the extended key usage extension. */
export function encodeExtendedKeyUsage(purposes: readonly string[]): Uint8Array {
  return sequence(...purposes.map(oid))
}

const maxPurposes = 256

/** Which key signed: by identifier, or by its certificate's issuer and serial number. */
export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | undefined
  readonly issuer: readonly GeneralName[] | undefined
  readonly serialNumber: SerialNumber | undefined
}

/** @throws ERR_DER */
export function parseSubjectKeyIdentifier(der: Uint8Array): Uint8Array {
  const reader = new DerReader(der)
  const identifier = reader.expect(tags.octetString, 'subjectKeyIdentifier').content()
  reader.finish('subjectKeyIdentifier')
  if (identifier.length === 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'subjectKeyIdentifier: no octets')
  return identifier
}

/** DER of the subject key identifier extension. */
export function encodeSubjectKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return octetString(identifier)
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED, ERR_NAME_INVALID */
export function parseAuthorityKeyIdentifier(der: Uint8Array): AuthorityKeyIdentifier {
  const reader = readWhole(der, tags.sequence, 'authorityKeyIdentifier')
  const keyIdentifier = reader.optional(contextPrimitive(0)) ? reader.content() : undefined
  const issuer = reader.optional(contextConstructed(1))
    ? readGeneralNames(reader.inner(), 'authorityCertIssuer')
    : undefined
  let serialNumber: SerialNumber | undefined
  if (reader.optional(contextPrimitive(2))) {
    checkInteger(der, reader.contentStart, reader.contentEnd, 'authorityCertSerialNumber')
    serialNumber = serialNumberFromBytes(reader.content())
  }
  reader.finish('authorityKeyIdentifier')
  // RFC 5280 appendix A.2: both or neither.
  if ((issuer === undefined) !== (serialNumber === undefined)) {
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'authorityKeyIdentifier: issuer and serial number come together (RFC 5280 4.2.1.1)',
    )
  }
  return { keyIdentifier, issuer, serialNumber }
}

/** DER of an authority key identifier of the keyIdentifier form, the only one that is issued (threats L29). */
export function encodeAuthorityKeyIdentifier(keyIdentifier: Uint8Array): Uint8Array {
  return sequence(implicit(0, keyIdentifier))
}
