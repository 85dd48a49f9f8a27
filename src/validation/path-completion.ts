// Checks that need the whole path, in the order of their cost: names, then revocation.

import { PathRevocation } from './check-revocation.ts'
import type { FormRules } from './issuer-candidate.ts'
import type { CompletePath, CompletePathCheck, SearchSettings } from './path-search.ts'
import { reject } from './rejection.ts'
import type { Rejection } from './rejection.ts'
import type { RevocationChecker } from './revocation-contract.ts'

/** The checks of one verification. */
export class PathCompletion implements CompletePathCheck {
  readonly #settings: SearchSettings
  readonly #rules: FormRules
  readonly #revocation: RevocationChecker | undefined

  constructor(settings: SearchSettings, rules: FormRules, revocation: RevocationChecker | undefined) {
    this.#settings = settings
    this.#rules = rules
    this.#revocation = revocation
  }

  check(path: CompletePath): Rejection | undefined {
    for (const issuer of path.issuers) {
      if (issuer.constrainsNames) return reject('ERR_PATH_CRITICAL_EXTENSION', 'RFC 5280 §4.2.1.10', 'name constraints')
    }
    return this.#revocation === undefined ? undefined : new PathRevocation(this.#revocation, this.#settings, this.#rules).check(path)
  }
}
