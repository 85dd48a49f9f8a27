// An issued certificate as `cert_chain`: one PEM block per element, each ending with a line feed, the roots together as the last.

import type { IssuedCertificate } from '../../issuance/index.ts'
import type { Certificate } from '../../x509/index.ts'

/** PEM of what is the same in every answer of a CA: its issuers and roots. */
const issuerElements = new WeakMap<readonly Certificate[], readonly string[]>()

/** Leaf, then issuers, then the roots unsplit; the roots are left out only where there are none. */
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
