// Records for the contract suites of stores, each with an issuer, serial number and names that no other case
// uses.

import { randomBytes, randomUUID } from 'node:crypto'
import { keyIdentifierOf } from '../../../ca/internal.ts'
import type { CertificateStore } from '../../../ca/index.ts'
import type { AuthorityRecord, CertificateId, IssuanceIntent } from '../../../ca/internal.ts'
import type { KeyIdentifier, Revocation, StoredCrl } from '../../../ca/internal.ts'
import { systemClock } from '../../../runtime/index.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import { parseSerialNumber } from '../../../x509/index.ts'
import type { SerialNumber } from '../../../x509/index.ts'

/** Options with a key that no call has: a store that ignores a misspelt `audit` or `fence` omits both. */
export const unknownOption: object = Object.freeze({ noSuchOption: 1 })

/**
 * An invalid Date, which is neither before nor after any time: a store that accepts it cannot find the record
 * by that time.
 */
export const invalidDate: Date = new Date(NaN)

/** A key identifier that is used nowhere else. */
export function anyKeyIdentifier(): KeyIdentifier {
  return keyIdentifierOf(randomBytes(20))
}

/** A serial number of 128 random bits. */
export function anySerialNumber(): SerialNumber {
  return parseSerialNumber(`01${randomBytes(16).toString('hex')}`)
}

/** An identity that is used nowhere else. */
export function anyIdentity(): SpiffeId {
  return SpiffeId.parse(`spiffe://example.org/contract/${randomBytes(8).toString('hex')}`)
}

/** An intent whose certificate is valid for an hour. */
export function anyIntent(fields: Partial<IssuanceIntent> = {}): IssuanceIntent {
  const now = Math.floor(systemClock.now() / 1000) * 1000
  const identity = fields.identity ?? anyIdentity()
  return {
    issuer: anyKeyIdentifier(),
    serialNumber: anySerialNumber(),
    tbs: randomBytes(400),
    identity,
    keyIdentifier: anyKeyIdentifier(),
    notAfter: new Date(now + 3_600_000),
    intendedAt: new Date(now),
    caller: { credential: 'contract', identities: [identity] },
    rule: 'contract-rule',
    ...fields,
  }
}

/** Records an intent and its certificate. */
export async function issued(
  store: CertificateStore,
  fields: Partial<IssuanceIntent> = {},
): Promise<IssuanceIntent & { readonly certificate: Uint8Array }> {
  const intent = anyIntent(fields)
  const certificate = randomBytes(480)
  await store.recordIntent(intent)
  await store.recordOutcome(intent, { certificate })
  return { ...intent, certificate }
}

/** The two fields that identify a certificate. */
export function idOf({ issuer, serialNumber }: CertificateId): CertificateId {
  return { issuer, serialNumber }
}

/** A revocation in this second or later. */
export function revocation(reason: Revocation['reason'], laterMs = 0): Revocation {
  return { reason, revokedAt: new Date(Math.floor(systemClock.now() / 1000) * 1000 + laterMs) }
}

/** The first list of an issuer that no other case uses. */
export function anyCrl(): StoredCrl {
  const now = Math.floor(systemClock.now() / 1000) * 1000
  return {
    issuer: anyKeyIdentifier(),
    shard: '',
    number: 1n,
    crl: new Uint8Array(randomBytes(200)),
    thisUpdate: new Date(now),
    nextUpdate: new Date(now + 86_400_000),
  }
}

/** An authority that no other case uses. */
export function anyAuthority(): AuthorityRecord {
  const octets = (): Uint8Array => new Uint8Array(randomBytes(300))
  return {
    id: randomUUID(),
    state: 'prepared',
    certificate: octets(),
    chain: [octets()],
    roots: [octets(), octets()],
    keyId: 'contract',
    keyVersion: 1,
    since: new Date(Math.floor(systemClock.now() / 1000) * 1000),
    version: 1,
  }
}
