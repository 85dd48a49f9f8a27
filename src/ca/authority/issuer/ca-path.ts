// Checks that our own validator would accept the leaves of a CA: verifies a leaf with a placeholder signature
// before anything is signed.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import { checkSvidIssuer } from '../../../svid/x509-svid.ts'
import { assumeLeafSignature, createPathValidator } from '../../../validation/path-validator.ts'
import type { Certificate } from '../../../x509/index.ts'
import { isSignedBy, withoutTolerances } from '../signing-material.ts'
import type { ReadMaterial } from '../signing-material.ts'

/** The path from a CA certificate to its roots. */
export interface CaPath {
  /** From the CA certificate up, without the root; empty if the CA certificate is a root. Frozen. */
  readonly chain: readonly Certificate[]
  /** The roots at the end of the chain: several may have the same name and key. */
  readonly anchors: readonly Certificate[]
}

/**
 * Searches the path from an unsigned test leaf through the CA certificate to a root, as a relying party does
 * (RFC 5280 §6.1), with backtracking.
 *
 * @param purposes Object identifiers; the path must allow each of them.
 * @throws ERR_CA_EXPIRED, ERR_CA_NOT_YET_VALID, ERR_CA_MATERIAL; `cause` has the verdict
 */
export function findCaPath(
  material: ReadMaterial,
  dryLeaf: Certificate,
  purposes: readonly string[],
  nowMs: number,
): CaPath {
  const { certificate, roots } = material
  if (roots.length === 0)
    throw new PkiError('ERR_CA_MATERIAL', `no roots were given for ${certificate.subject.toString()}`)
  const isRoot = roots.some((root) => root.equals(certificate))
  // Another certificate of the same CA must not replace the given one: if that is a cross-certificate,
  // holders send it to relying parties that do not have the new root.
  const isOther = ({ publicKey, subject }: Certificate): boolean =>
    !publicKey.equals(certificate.publicKey) || !subject.equals(certificate.subject)
  const candidates = material.candidates.filter(isOther)
  let chain: readonly Certificate[]
  try {
    const validator = createPathValidator({
      anchors: isRoot ? [certificate] : roots.filter(isOther),
      intermediates: isRoot ? [] : [certificate, ...candidates],
      profile: 'spiffe',
    })
    assumeLeafSignature(validator, dryLeaf, certificate.publicKey)
    // The last second of a validity is inclusive (RFC 5280 §4.1.2.5): the fraction of the current second does
    // not matter.
    const time = new Date(Math.floor(nowMs / 1000) * 1000)
    const { path } = validator.verifyOrThrow(dryLeaf, { time, extendedKeyUsage: [...purposes] })
    chain = path.certificates.slice(1).filter((one) => !roots.some((root) => root.equals(one)))
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    if (cause.code === 'ERR_PATH_EXPIRED' || cause.code === 'ERR_PATH_NOT_YET_VALID')
      requireValidAt(issuersOf(certificate, [...candidates, ...roots]), nowMs, cause)
    throw new PkiError(
      'ERR_CA_MATERIAL',
      `certificates of ${certificate.subject.toString()} would not verify: ` +
        withoutTolerances(cause.message),
      { cause },
    )
  }
  const top = chain.at(-1)
  const anchors = top === undefined ? [certificate] : roots.filter((root) => isSignedBy(top, root))
  for (const issuer of [...chain, ...anchors]) {
    const fault = checkSvidIssuer(issuer)
    if (fault !== undefined)
      throw new PkiError('ERR_CA_MATERIAL', `${issuer.subject.toString()}: ${fault.message} (${fault.rule})`)
  }
  return { chain: Object.freeze(chain), anchors }
}

/**
 * The certificate and every issuer above it: other roots may have expired without any effect.
 */
function issuersOf(certificate: Certificate, others: readonly Certificate[]): readonly Certificate[] {
  const found = [certificate]
  for (const one of found)
    found.push(...others.filter((other) => !found.includes(other) && isSignedBy(one, other)))
  return found
}

/**
 * Reports every certificate that is not valid at a time, once, with its dates and the time.
 *
 * @throws ERR_CA_EXPIRED if one has expired; ERR_CA_NOT_YET_VALID
 */
export function requireValidAt(certificates: readonly Certificate[], nowMs: number, cause?: unknown): void {
  const each = certificates.filter((one, at) => certificates.findIndex((other) => other.equals(one)) === at)
  const expired = each.filter(({ notAfterMs }) => nowMs >= notAfterMs + 1000)
  const early = each.filter(({ notBeforeMs }) => nowMs < notBeforeMs)
  if (expired.length === 0 && early.length === 0) return
  const told = [...expired, ...early].map(
    (one) =>
      `${one.subject.toString()} (serial number ${one.serialNumber}) is valid from ` +
      `${one.notBefore.toISOString()} to ${one.notAfter.toISOString()}`,
  )
  throw new PkiError(
    expired.length > 0 ? 'ERR_CA_EXPIRED' : 'ERR_CA_NOT_YET_VALID',
    `${expired.length > 0 ? 'expired' : 'not valid yet'}: ${told.join('; ')}; the time is ` +
      new Date(nowMs).toISOString(),
    { cause },
  )
}
