// Which callers may change the certificates of other identities.

import type { Caller } from '../../auth/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'

/** The administrators of one service. */
export class Administrators {
  readonly #isAdministrator: ((caller: Caller) => boolean) | undefined

  constructor(isAdministrator: ((caller: Caller) => boolean) | undefined) {
    this.#isAdministrator = isAdministrator
  }

  /**
   * Only the literal `true` grants access. A Promise, returned by mistake from
   * an async callback, is truthy and must not. @throws ERR_POLICY_FAILED
   */
  includes(caller: Caller): boolean {
    try {
      const answer: unknown = this.#isAdministrator?.(caller)
      if (answer instanceof Promise) answer.catch(() => undefined)
      return answer === true
    } catch (cause) {
      if (isPkiError(cause)) throw cause
      throw new PkiError('ERR_POLICY_FAILED', 'isAdministrator threw an error', { cause })
    }
  }

  /** `what` names the action in the message. @throws ERR_POLICY_DENIED, ERR_POLICY_FAILED */
  require(caller: Caller, what: string): void {
    if (!this.includes(caller)) throw new PkiError('ERR_POLICY_DENIED', `only an administrator may ${what}`)
  }
}
