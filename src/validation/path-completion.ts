// Checks that need the whole path, in the order of their cost: names, then revocation.

import { PathRevocation } from './check-revocation.ts'
import type { FormRules } from './issuer-candidate.ts'
import { checkNameConstraints, checkPeerName } from './names/index.ts'
import type { PeerName } from './names/index.ts'
import type { CompletePath, CompletePathCheck, SearchSettings } from './path-search.ts'
import type { Rejection } from './rejection.ts'
import type { RevocationChecker } from './revocation-contract.ts'

/** The checks of one verification. */
export class PathCompletion implements CompletePathCheck {
  readonly #settings: SearchSettings
  readonly #rules: FormRules
  readonly #peers: readonly PeerName[]
  readonly #revocation: RevocationChecker | undefined

  constructor(settings: SearchSettings, rules: FormRules, asked: { readonly peer: PeerName | readonly PeerName[] | undefined; readonly revocation: RevocationChecker | undefined }) {
    this.#settings = settings
    this.#rules = rules
    this.#peers = asked.peer === undefined ? noPeers : isList(asked.peer) ? asked.peer : [asked.peer]
    this.#revocation = asked.revocation
  }

  check(path: CompletePath): Rejection | undefined {
    return this.#checkConstraints(path) ?? this.#checkPeer(path) ?? this.#checkRevocation(path)
  }

  #checkConstraints({ certificates, issuers, anchor }: CompletePath): Rejection | undefined {
    const constrained = anchor.nameConstraints !== undefined || issuers.some((issuer) => issuer.constrainsNames)
    return constrained ? checkNameConstraints(certificates, anchor.nameConstraints, this.#settings.budget) : undefined
  }

  #checkPeer({ certificates: [leaf] }: CompletePath): Rejection | undefined {
    if (leaf === undefined) return undefined
    for (const peer of this.#peers) {
      const fault = checkPeerName(leaf, peer)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #checkRevocation(path: CompletePath): Rejection | undefined {
    return this.#revocation === undefined ? undefined : new PathRevocation(this.#revocation, this.#settings, this.#rules).check(path)
  }
}

/** `Array.isArray` does not narrow a readonly array. */
function isList(peer: PeerName | readonly PeerName[]): peer is readonly PeerName[] {
  return Array.isArray(peer)
}

const noPeers: readonly PeerName[] = []
