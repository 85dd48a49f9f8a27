// Finds the record of a certificate by its serial number, with or without its issuer.

import { keyIdentifierOf } from '../../ca/internal.ts'
import type { CertificateAuthority, CertificateRecord, CertificateStore } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import type { SerialNumber } from '../../x509/index.ts'
import { ask } from './store-calls.ts'

/**
 * A certificate of this service: by its serial number, or with its issuer, if several issuers may have the
 * number.
 */
export type CertificateReference = SerialNumber | CertificateId

/**
 * A copy of a reference, so that it cannot change while its record is looked up.
 * @throws ERR_INVALID_ARGUMENT also for a certificate: its `issuer` is a name and no key identifier
 */
export function readReference(method: string, reference: CertificateReference): CertificateReference {
  const given: unknown = reference
  if (isSerialNumber(given)) return reference
  const { issuer, serialNumber } = Object(given) as Readonly<Record<string, unknown>>
  if (isHexadecimal(issuer) && isSerialNumber(serialNumber)) return { issuer, serialNumber } as CertificateId
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${method}: the certificate must be its serialNumber, or { issuer, serialNumber } with the key ` +
      'identifier ' +
      'of its issuer, in upper-case hexadecimal',
  )
}

/** The serial number of a reference of any form. */
export function serialNumberOf(reference: CertificateReference): SerialNumber | undefined {
  if (typeof reference === 'string') return reference
  return (Object(reference) as Partial<CertificateId>).serialNumber
}

/** Whether a value is upper-case hexadecimal text, as key identifiers are. */
export function isHexadecimal(value: unknown): boolean {
  return typeof value === 'string' && /^(?:[0-9A-F]{2}){1,128}$/.test(value)
}

/** Whether a value has the form of `parseSerialNumber`. */
function isSerialNumber(value: unknown): boolean {
  return typeof value === 'string' && /^-?(?:[0-9A-F]{2}){1,1024}$/.test(value)
}

/** Looks up records of one CA. */
export class CertificateLookup {
  readonly #authority: CertificateAuthority
  readonly #store: CertificateStore

  constructor(authority: CertificateAuthority, store: CertificateStore) {
    this.#authority = authority
    this.#store = store
  }

  /** @throws ERR_CERTIFICATE_UNKNOWN; ERR_INVALID_ARGUMENT where several issuers have the serial number */
  async require(reference: CertificateReference): Promise<CertificateRecord> {
    const record = await this.find(reference)
    if (record !== undefined) return record
    throw new PkiError(
      'ERR_CERTIFICATE_UNKNOWN',
      `no certificate has the serial number ${String(serialNumberOf(reference))}`,
    )
  }

  /** @throws ERR_INVALID_ARGUMENT where several issuers have the serial number */
  async find(reference: CertificateReference): Promise<CertificateRecord | undefined> {
    if (typeof reference !== 'string') return ask(this.#store, (asked) => asked.find(reference))
    const { certificate } = this.#authority
    const issuer = keyIdentifierOf(certificate.subjectKeyIdentifier ?? certificate.publicKey.keyIdentifier)
    const current = await ask(this.#store, (asked) => asked.find({ issuer, serialNumber: reference }))
    if (current !== undefined) return current
    const { items } = await ask(this.#store, (asked) => asked.query({ serialNumber: reference, limit: 2 }))
    if (items.length > 1)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `several issuers have issued the serial number ${reference}; give the issuer as well`,
      )
    return items[0]
  }
}
