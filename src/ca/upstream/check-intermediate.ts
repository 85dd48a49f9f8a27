// Checks that the answer of an upstream is the requested certificate: key, names, validity, chain, purposes.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateRequest, Signer } from '../../x509/index.ts'
import { isSignedBy } from '../authority/signing-material.ts'
import { maxRoots, readCertificates } from '../registration/remote-certificates.ts'
import { proveMaterial } from '../rotation/steps/prove-material.ts'
import type { ProofSettings } from '../rotation/steps/prove-material.ts'
import type { UpstreamAnswer } from './upstream-authority.ts'

/** The requested intermediate. */
export interface WantedIntermediate extends ProofSettings {
  readonly csr: CertificateRequest
  readonly signer: Signer
  readonly ttlSeconds: number
  /** The certificate must be valid for this long. */
  readonly minTtlSeconds: number
}

/** A verified answer. */
export interface CheckedIntermediate {
  readonly certificate: Certificate
  /** The chain from the certificate up, without the root. */
  readonly chain: readonly Certificate[]
  /** The roots at the end of the chain. */
  readonly anchors: readonly Certificate[]
}

/**
 * @param upstream Its name, for messages.
 * @throws ERR_CA_REPLY with what was found and what was expected
 */
export async function checkIntermediate(
  upstream: string,
  answer: UpstreamAnswer,
  wanted: WantedIntermediate,
): Promise<CheckedIntermediate> {
  try {
    const certificate = Certificate.from(answer.certificate)
    const chain = readCertificates('chain', answer.chain, maxChain)
    const roots = readCertificates('roots', answer.roots, maxRoots)
    if (roots.length === 0) throw new PkiError('ERR_CA_REPLY', 'it has no root')
    checkFields(certificate, wanted)
    const material = { certificate, signer: wanted.signer, chain, roots }
    const proven = await proveMaterial(material, wanted)
    const top = proven.chain.at(-1) ?? certificate
    return {
      certificate,
      chain: proven.chain.slice(1),
      anchors: roots.filter((root) => isSignedBy(top, root)),
    }
  } catch (cause) {
    if (isPkiError(cause, 'ERR_ABORTED')) throw cause
    throw new PkiError(
      'ERR_CA_REPLY',
      `the answer of the upstream ${upstream} is refused: ` +
        (cause instanceof Error ? cause.message : String(cause)),
      { cause },
    )
  }
}

function checkFields(certificate: Certificate, wanted: WantedIntermediate): void {
  const { csr, trustDomain, ttlSeconds, minTtlSeconds, clock } = wanted
  const refuse = (found: string, expected: string): never => {
    throw new PkiError('ERR_CA_REPLY', `${found}; expected ${expected}`)
  }
  if (!certificate.publicKey.equals(csr.publicKey)) refuse('its public key differs', 'the key of the request')
  if (!certificate.subject.equals(csr.subject))
    refuse(`its subject is ${certificate.subject.toString()}`, csr.subject.toString())
  const foreign = certificate.subjectAltName?.find(
    (name) => name.type !== 'uri' || name.value !== trustDomain.idString,
  )
  if (foreign !== undefined) refuse('its subject alternative name differs', trustDomain.idString)
  if (certificate.basicConstraints?.ca !== true) refuse('it is not a CA certificate', 'cA TRUE')
  for (const usage of ['keyCertSign', 'cRLSign'] as const)
    if (certificate.keyUsage?.has(usage) !== true) refuse(`its key usage lacks ${usage}`, usage)
  const nowMs = clock.now()
  const latestMs = nowMs + (ttlSeconds + toleranceSeconds) * 1000
  if (certificate.notAfterMs > latestMs)
    refuse(
      `it is valid until ${certificate.notAfter.toISOString()}`,
      `at most ${new Date(latestMs).toISOString()}`,
    )
  const earliestMs = nowMs + minTtlSeconds * 1000
  if (certificate.notAfterMs < earliestMs)
    refuse(
      `it is valid until ${certificate.notAfter.toISOString()}`,
      `at least one leaf: ${new Date(earliestMs).toISOString()}`,
    )
}

/** Tolerated difference to the clock of the upstream. */
const toleranceSeconds = 300
const maxChain = 8
