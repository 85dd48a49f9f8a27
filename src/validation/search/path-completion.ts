// Checks that need the whole path, ordered by cost: name constraints, peer names, revocation.

import type { Certificate } from '../../x509/index.ts'
import { PreparedNames } from '../names/prepared-names.ts'
import { checkPeerName, peersOf } from '../names/check-peer-name.ts'
import type { PeerName } from '../names/index.ts'
import type { PathOptions } from '../path-options.ts'
import type { FormRules } from '../profile.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { RevocationChecker } from '../revocation-contract.ts'
import { checkConstraints } from './path-constraints.ts'
import { PathRevocation } from './path-revocation.ts'
import type { CompletePath, CompletePathCheck, SearchSettings } from './search-settings.ts'

/** The checks of one verification. */
export class PathCompletion implements CompletePathCheck {
  readonly #settings: SearchSettings
  readonly #rules: FormRules
  readonly #peers: readonly PeerName[]
  readonly #revocation: RevocationChecker | undefined
  readonly #names: PreparedNames
  /** Identical for every path. */
  #peerAnswer: { readonly fault: Rejection | undefined } | undefined

  constructor(settings: SearchSettings, rules: FormRules, asked: Pick<PathOptions, 'peer' | 'revocation'>) {
    this.#settings = settings
    this.#rules = rules
    this.#names = new PreparedNames(rules.tolerances)
    this.#peers = asked.peer === undefined ? noPeers : peersOf(asked.peer)
    this.#revocation = asked.revocation
  }

  check(path: CompletePath): Rejection | undefined {
    return (
      checkConstraints(path, this.#settings.budget, this.#names) ??
      this.#checkPeer(path) ??
      this.#checkRevocation(path)
    )
  }

  #checkPeer({ certificates: [leaf] }: CompletePath): Rejection | undefined {
    this.#peerAnswer ??= { fault: leaf === undefined ? undefined : this.#askPeers(leaf) }
    return this.#peerAnswer.fault
  }

  #askPeers(leaf: Certificate): Rejection | undefined {
    for (const peer of this.#peers) {
      const fault = checkPeerName(leaf, peer)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #checkRevocation(path: CompletePath): Rejection | undefined {
    return this.#revocation === undefined
      ? undefined
      : new PathRevocation(this.#revocation, this.#settings, this.#rules, this.#names).check(path)
  }
}

const noPeers: readonly PeerName[] = []
