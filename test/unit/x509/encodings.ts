// Certificates, requests and lists put together by hand, so that each part can be wrong; nothing in them is
// signed unless a test signs it.

import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { bitString, encodeTime, explicit, integer, sequence } from '../../../src/der/index.ts'
import { DistinguishedName } from '../../../src/x509/index.ts'
import { encodeExtension, signatureAlgorithms } from '../../../src/x509/internal.ts'

export const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
export const fromHex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
export const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts))

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const privateKey: KeyObject = pair.privateKey
export const spki: Uint8Array = Uint8Array.from(pair.publicKey.export({ type: 'spki', format: 'der' }))
export const name: Uint8Array = DistinguishedName.parse('CN=by hand').der
export const algorithm: Uint8Array = signatureAlgorithms['ecdsa-with-SHA256'].identifier
export const start: Uint8Array = encodeTime(Date.parse('2026-01-01T00:00:00Z'))
export const end: Uint8Array = encodeTime(Date.parse('2027-01-01T00:00:00Z'))
/** A name whose one RDN is empty: framed well, and malformed. */
export const brokenName: Uint8Array = fromHex('30 02 31 00')

export interface CertificateParts {
  /** `[0]` and all; empty for version 1. Default: version 3. */
  readonly version?: readonly Uint8Array[]
  readonly serialNumber?: Uint8Array
  readonly algorithm?: Uint8Array
  readonly issuer?: Uint8Array
  readonly validity?: Uint8Array
  readonly subject?: Uint8Array
  readonly spki?: Uint8Array
  /** Unique identifiers, extensions, and what does not belong there. */
  readonly rest?: readonly Uint8Array[]
  readonly outerAlgorithm?: Uint8Array
  readonly signature?: Uint8Array
  readonly after?: readonly Uint8Array[]
}

export const version2: readonly Uint8Array[] = [explicit(0, integer(1))]

export function certificateDer(parts: CertificateParts = {}): Uint8Array {
  const inner = parts.algorithm ?? algorithm
  return sequence(
    sequence(
      ...(parts.version ?? [explicit(0, integer(2))]),
      parts.serialNumber ?? integer(1),
      inner,
      parts.issuer ?? name,
      parts.validity ?? sequence(start, end),
      parts.subject ?? name,
      parts.spki ?? spki,
      ...(parts.rest ?? []),
    ),
    parts.outerAlgorithm ?? inner,
    parts.signature ?? bitString(Uint8Array.of(1, 2, 3)),
    ...(parts.after ?? []),
  )
}

/** `[3] { SEQUENCE { elements } }`. */
export function extensionList(...elements: readonly Uint8Array[]): Uint8Array {
  return explicit(3, sequence(...elements))
}

/** A certificate with one extension. */
export function certificateWithExtension(oid: string, value: Uint8Array): Uint8Array {
  return certificateDer({ rest: [extensionList(encodeExtension({ oid, critical: false, value }))] })
}

export interface ListParts {
  readonly version?: readonly Uint8Array[]
  readonly algorithm?: Uint8Array
  readonly issuer?: Uint8Array
  readonly times?: readonly Uint8Array[]
  /** The entries, or undefined to leave the field out. */
  readonly entries?: readonly Uint8Array[] | undefined
  /** Extensions; undefined to leave the field out. */
  readonly extensions?: readonly Uint8Array[] | undefined
  readonly rest?: readonly Uint8Array[]
  readonly outerAlgorithm?: Uint8Array
  readonly signature?: Uint8Array
  readonly after?: readonly Uint8Array[]
}

export function listDer(parts: ListParts = {}): Uint8Array {
  const inner = parts.algorithm ?? algorithm
  return sequence(
    sequence(
      ...(parts.version ?? [integer(1)]),
      inner,
      parts.issuer ?? name,
      ...(parts.times ?? [start, end]),
      ...(parts.entries === undefined ? [] : [sequence(...parts.entries)]),
      ...(parts.extensions === undefined ? [] : [explicit(0, sequence(...parts.extensions))]),
      ...(parts.rest ?? []),
    ),
    parts.outerAlgorithm ?? inner,
    parts.signature ?? bitString(Uint8Array.of(1, 2, 3)),
    ...(parts.after ?? []),
  )
}
