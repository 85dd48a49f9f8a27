// An issuance policy in a file that can be changed while the service runs.

import type { Caller } from '../../auth/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { IssuanceDecision, IssuancePolicy, PolicyRequest } from '../../policy/index.ts'
import { parsePolicy } from './parse-policy.ts'
import { ReloadedFile } from './reloaded-file.ts'
import type { ReloadOptions } from './reloaded-file.ts'

/**
 * Opens a policy in YAML or JSON.
 *
 * @throws ERR_POLICY_INVALID with `file:line:column`; ERR_POLICY_FAILED if the file cannot be read or is not
 * a regular file; ERR_LIMIT_EXCEEDED above 4 MiB; ERR_PEER_NOT_INSTALLED
 * @example
 * ```ts
 * const fromFile = await openPolicyFile('/etc/ca/policy.yaml')
 * ```
 */
export async function openPolicyFile(path: string, given?: ReloadOptions): Promise<PolicyFile> {
  const options = readOptions('openPolicyFile', given, {
    pollMs: 'optional',
    clock: 'optional',
    logger: 'optional',
  })
  return new PolicyFile(await ReloadedFile.open('openPolicyFile', path, parsePolicy, options))
}

/** The policy of a file. When a changed policy is loaded, its rate limits start from zero. */
export class PolicyFile implements IssuancePolicy, AsyncDisposable {
  readonly #file: ReloadedFile<IssuancePolicy>

  /** Use `openPolicyFile`. */
  constructor(file: ReloadedFile<IssuancePolicy>) {
    this.#file = file
  }

  decide(request: PolicyRequest, caller: Caller): IssuanceDecision | Promise<IssuanceDecision> {
    return this.#file.value.decide(request, caller)
  }

  /**
   * Reads the file again. If it is refused, the previous policy remains in use.
   *
   * @returns whether the policy changed
   * @throws as `openPolicyFile`
   */
  reload(): Promise<boolean> {
    return this.#file.reload()
  }

  /** Stops polling. The last policy continues to decide. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close()
    return Promise.resolve()
  }
}
