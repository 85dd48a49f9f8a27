// I1 to I5 and I13: the certificates on record.

import { lintCertificate, workloadProfile } from '../../../src/ca/index.ts'
import type { CertificateRecord } from '../../../src/ca/index.ts'
import { keyIdentifierOf } from '../../../src/ca/internal.ts'
import { isPkiError } from '../../../src/errors/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import { X509SvidValidator } from '../../../src/svid/index.ts'
import { Certificate, generalName } from '../../../src/x509/index.ts'
import { digestOf } from '../crash-fixture.ts'
import type { CheckMemory, Holds, LeftBehind } from './left-behind.ts'

/** The CA certificates that have signed, by the key identifier that their certificates name. */
export type Issuers = ReadonlyMap<
  string,
  { readonly certificate: Certificate; readonly chain: Certificate[] }
>

/** Every issuer that is on record, and the one that signs. */
export async function issuersOf({ storage, authority }: LeftBehind): Promise<Issuers> {
  const issuers = new Map<string, { certificate: Certificate; chain: Certificate[] }>()
  const add = (certificate: Certificate, chain: readonly Certificate[]): void => {
    issuers.set(keyOf(certificate), { certificate, chain: [...chain] })
  }
  for (const { certificate, chain } of await storage.authorities.list()) {
    const parsed = Certificate.parse(certificate)
    add(parsed, [parsed, ...chain.map((der) => Certificate.parse(der))])
  }
  add(authority.certificate, authority.chain)
  return issuers
}

/** All records, each of which is checked once. */
export async function checkCertificates(
  left: LeftBehind,
  records: readonly CertificateRecord[],
  issuers: Issuers,
  memory: CheckMemory,
  holds: Holds,
): Promise<void> {
  const serials = records.map(({ issuer, serialNumber }) => `${issuer} ${serialNumber}`)
  holds(new Set(serials).size === records.length, 'I2: two records of one issuer have one serial number')
  const keys = records.flatMap(({ idempotencyKey }) => idempotencyKey ?? [])
  holds(new Set(keys).size === keys.length, 'two records have one idempotency key')
  const digests = new Map<string, string>()
  for (const record of records) {
    const { serialNumber, state, certificate, notAfter, identity } = record
    const digest = certificate === undefined ? 'none' : digestOf(certificate)
    digests.set(serialNumber, digest)
    const whole = [serialNumber, state, digest, notAfter.getTime(), identity.toString()].join(' ')
    if (memory.sound.has(whole)) continue
    let isSound = true
    checkRecord(record, issuers, (condition, text) => {
      isSound &&= condition
      holds(condition, text)
    })
    if (isSound) memory.sound.add(whole)
  }
  for (const answer of left.answers)
    if (answer.kind === 'issued')
      holds(
        digests.get(answer.serialNumber) === answer.digest,
        `I1: certificate ${answer.serialNumber} was answered and is not on record`,
      )
  await checkChains(left, records, issuers, holds)
  const blocks = (await left.storage.blocks?.list()) ?? []
  const blocked = new Set(
    blocks.flatMap(({ subject }) => ('certificate' in subject ? [subject.certificate.serialNumber] : [])),
  )
  for (const answer of left.answers)
    if (answer.kind === 'blocked')
      holds(blocked.has(answer.serialNumber), `the block of ${answer.serialNumber} is lost`)
  for (const { state, renews } of records)
    if (state === 'issued' && renews !== undefined)
      holds(!blocked.has(renews.serialNumber), `${renews.serialNumber} is blocked and was renewed`)
}

function checkRecord(record: CertificateRecord, issuers: Issuers, holds: Holds): void {
  const { issuer, serialNumber, state, certificate: der, notAfter, identity } = record
  holds((state === 'issued') === (der !== undefined), `${serialNumber} is ${state}`)
  const ca = issuers.get(issuer)?.certificate
  holds(ca !== undefined, `the issuer of ${serialNumber} is on no record`)
  if (der === undefined || ca === undefined) return
  const certificate = Certificate.parse(der)
  holds(
    certificate.serialNumber === serialNumber,
    `I3: the certificate on record ${serialNumber} has another`,
  )
  holds(certificate.verifySignatureBy(ca.publicKey), `I3: the signature of ${serialNumber} does not verify`)
  const fault = faultOf(record, certificate, ca)
  holds(fault === undefined, `I3: ${serialNumber}: ${String(fault)}`)
  const isWithin =
    certificate.notBeforeMs >= ca.notBeforeMs &&
    certificate.notAfterMs <= ca.notAfterMs &&
    certificate.notAfterMs === notAfter.getTime()
  holds(isWithin, `I4: ${serialNumber} ends at ${certificate.notAfter.toISOString()}`)
  const { defaultTtlSeconds, backdateSeconds } = workloadProfile
  const seconds = (certificate.notAfterMs - certificate.notBeforeMs) / 1000
  holds(seconds <= defaultTtlSeconds + backdateSeconds, `I4: ${serialNumber} is valid for ${seconds} s`)
  // What is prepared is signed within 60 s.
  const age = (record.intendedAt.getTime() - certificate.notBeforeMs) / 1000
  holds(age >= 0 && age <= backdateSeconds + 61, `I4: ${serialNumber} was ${age} s old when it was signed`)
  const names = certificate.subjectAltName?.map((name) => (name.type === 'uri' ? name.value : name.type))
  holds(names?.join() === identity.toString(), `I5: ${serialNumber} is for ${String(names)}`)
  const isCallers = record.caller.identities.some((one) => one.equals(identity))
  holds(isCallers, `I5: ${serialNumber} is for ${identity.toString()}, which was not the caller`)
}

/** What the lints say of the certificate that was signed; its octets are those that were linted. */
function faultOf(record: CertificateRecord, certificate: Certificate, ca: Certificate): string | undefined {
  try {
    lintCertificate({
      certificate,
      issuer: ca,
      issuerTrustDomain: TrustDomain.from('example.org'),
      publicKey: certificate.publicKey,
      wantedNames: [generalName.uri(record.identity.toString())],
      profile: workloadProfile,
      // It was linted when it was prepared.
      nowMs: certificate.notBeforeMs + workloadProfile.backdateSeconds * 1000,
    })
    return undefined
  } catch (error) {
    if (!isPkiError(error)) throw error
    return error.message
  }
}

/** One leaf of each issuer that is trusted, with the bundle that is served now. */
async function checkChains(
  { authority, storage }: LeftBehind,
  records: readonly CertificateRecord[],
  issuers: Issuers,
  holds: Holds,
): Promise<void> {
  const validator = new X509SvidValidator({ bundles: authority.trustBundle() })
  const authorities = await storage.authorities.list()
  const revoked = authorities.filter(({ state }) => state === 'revoked')
  const seen = new Set<string>(revoked.map((one) => keyOf(Certificate.parse(one.certificate))))
  for (const { issuer, certificate } of records.toReversed()) {
    if (certificate === undefined || seen.has(issuer)) continue
    seen.add(issuer)
    const chain = (issuers.get(issuer)?.chain ?? []).filter((one) => !isRoot(one))
    const verdict = validator.verify([Certificate.parse(certificate), ...chain])
    holds(verdict.ok, `I13: the chain of issuer ${issuer} does not verify`)
  }
}

function keyOf({ subjectKeyIdentifier }: Certificate): string {
  return keyIdentifierOf(subjectKeyIdentifier ?? new Uint8Array())
}

function isRoot(certificate: Certificate): boolean {
  return certificate.verifySignatureBy(certificate.publicKey)
}
