// The Lint contract and its runner, for leaves, CA certificates and CRLs.

import { PkiError } from '../../errors/index.ts'

/** One rule over an input. */
export interface Lint<Input> {
  /** `L1` to `L50`, the numbers in docs/guides/ca.md. */
  readonly id: string
  /** The clause of the standard that the lint checks. */
  readonly clause: string
  /** The fault as text; undefined if there is none. */
  readonly check: (input: Input) => string | undefined
}

/**
 * Checks an input against every rule of a list, such as `leafLints`, `caLints` or `crlLints`.
 *
 * @throws ERR_LINT for the first rule that is broken or cannot be checked: a fault of this package or its
 *   configuration, never of the requester
 */
export function runLints<Input>(lints: readonly Lint<Input>[], input: Input): void {
  for (const { id, clause, check } of lints) {
    let fault: string | undefined
    try {
      fault = check(input)
    } catch (cause) {
      throw new PkiError('ERR_LINT', `${id} (${clause}): a field that the lint reads is malformed`, { cause })
    }
    if (fault !== undefined) throw new PkiError('ERR_LINT', `${id} (${clause}): ${fault}`)
  }
}
