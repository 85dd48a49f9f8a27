// An issued certificate as `cert_chain`: one PEM block per element, each ending with a line feed; the last
// element contains all roots.

import type { IssuedCertificate } from '../../../issuance/index.ts'
import type { Certificate } from '../../../x509/index.ts'

/** PEM of the parts that are equal in every response of a CA: issuers and roots. */
const issuerElements = new WeakMap<readonly Certificate[], readonly string[]>()

/** Leaf, then issuers, then all roots in one element, which is absent only if there are none. */
export function certificateChainElements({ certificate, chain, roots }: IssuedCertificate): string[] {
  return [certificate.toPem(), ...split(chain), ...(roots.length === 0 ? [] : [split(roots).join('')])]
}

function split(certificates: readonly Certificate[]): readonly string[] {
  let elements = issuerElements.get(certificates)
  if (elements === undefined) {
    elements = certificates.map((certificate) => certificate.toPem())
    issuerElements.set(certificates, elements)
  }
  return elements
}
