// The peers that a case wants, as the validator takes them.

import type { PeerName } from '../../../src/validation/names/index.ts'

/** `unsupported` where a kind of name is none that we know. */
export function peerNames(
  names: readonly { readonly kind: string; readonly value: string }[],
): readonly PeerName[] | undefined | 'unsupported' {
  const wanted: PeerName[] = []
  for (const { kind, value } of names) {
    if (kind === 'DNS') wanted.push({ dns: value })
    else if (kind === 'IP') wanted.push({ ip: value })
    else if (kind === 'RFC822') wanted.push({ email: value })
    else return 'unsupported'
  }
  return wanted.length === 0 ? undefined : wanted
}
