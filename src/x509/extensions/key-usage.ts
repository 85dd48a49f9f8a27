// Key usage and extended key usage: RFC 5280 sections 4.2.1.3 and 4.2.1.12.

import { decodeOid, namedBitString, namedBits, oid, readWhole, sequence, tags } from '../../der/index.ts'
import { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'

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

  /** The usages named. */
  static of(...usages: readonly KeyUsageName[]): KeyUsage {
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
    reader.expect(tags.oid, 'KeyPurposeId')
    purposes.push(decodeOid(der, reader.contentStart, reader.contentEnd))
    if (purposes.length > maxPurposes) throw new PkiError('ERR_LIMIT_EXCEEDED', `extKeyUsage: more than ${String(maxPurposes)} purposes`)
  }
  if (purposes.length === 0) throw new PkiError('ERR_EXTENSION_MALFORMED', 'extKeyUsage: no purpose at all (RFC 5280: SIZE (1..MAX))')
  return purposes
}

/** DER of the extended key usage extension. */
export function encodeExtendedKeyUsage(purposes: readonly string[]): Uint8Array {
  return sequence(...purposes.map(oid))
}

const maxPurposes = 256
