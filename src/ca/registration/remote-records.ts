// The records of certificates that another CA numbers: the intent has a request number, the outcome the CA's
// serial number.

import { PkiError } from '../../errors/index.ts'
import { Certificate } from '../../x509/index.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { CertificateId, IssuanceIntent } from '../records/certificate-record.ts'
import { certificateUnknown } from '../rows/refusals.ts'
import type { CertificateStore, IssuanceOutcome, WriteOptions } from '../records/certificate-store.ts'
import { readWriteOptions } from '../records/store-options.ts'

/**
 * The store of a registration authority. A decision is recorded under a request number before it is
 * forwarded; the certificate is recorded, under its issuer and serial number, before it is returned.
 *
 * @param isOurs Whether an issuer is the registration authority: then the serial number is a request number.
 */
export function remoteRecords(
  store: CertificateStore,
  isOurs: (issuer: CertificateId['issuer']) => boolean,
): CertificateStore {
  /** The intents in progress, one for each call. */
  const forwarded = new Map<string, IssuanceIntent>()
  const recordIntent = async (intent: IssuanceIntent, options?: WriteOptions): Promise<void> => {
    if (!isOurs(intent.issuer)) return store.recordIntent(intent, options)
    // A retry with the idempotency key must find the certificate, not the request.
    await store.recordIntent({ ...intent, idempotencyKey: undefined }, options)
    forwarded.set(intent.serialNumber, intent)
  }
  const recordOutcome = async (
    id: CertificateId,
    outcome: IssuanceOutcome,
    options?: WriteOptions,
  ): Promise<void> => {
    if (!isOurs(id.issuer)) return store.recordOutcome(id, outcome, options)
    // Read before anything changes, because the options are passed to the store with the second of three
    // writes.
    const read = readWriteOptions('recordOutcome', options)
    const intent = forwarded.get(id.serialNumber)
    // For every answer of the store, because the certificate is not available for another attempt.
    forwarded.delete(id.serialNumber)
    if (!('certificate' in outcome)) return store.recordOutcome(id, outcome, read)
    // A certificate is never on record under a request number.
    if (intent === undefined) throw certificateUnknown(id)
    const certificate = Certificate.parse(outcome.certificate)
    const keyIdentifier = certificate.authorityKeyIdentifier?.keyIdentifier
    if (keyIdentifier === undefined)
      throw new PkiError('ERR_CA_REPLY', 'the certificate of the CA has no authority key identifier')
    const { serialNumber, tbs, notAfter } = certificate
    const own = { issuer: keyIdentifierOf(keyIdentifier), serialNumber }
    await store.recordIntent({ ...intent, ...own, tbs, notAfter })
    await store.recordOutcome(own, outcome, read)
    // The record of the request becomes `failed`, because only the record of the certificate counts.
    await store.recordOutcome(id, { failed: true })
  }
  // The target is an empty object: a Proxy of a frozen store could not return other methods.
  return new Proxy({} as CertificateStore, {
    get(_empty, name) {
      if (name === 'recordIntent') return recordIntent
      if (name === 'recordOutcome') return recordOutcome
      const value: unknown = Reflect.get(store, name, store)
      return typeof value === 'function' ? (value.bind(store) as unknown) : value
    },
  })
}
