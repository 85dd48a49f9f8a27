// A request on its way to a certificate: admission, decision, recorded signing.

import type { Caller } from '../auth/index.ts'
import type { CertificateAuthority, CertificateRecord } from '../ca/index.ts'
import type { IssuancePolicy } from '../policy/index.ts'
import { admit, throwIfAborted } from './admission.ts'
import type { IssuanceRequest } from './admission.ts'
import { decide } from './decision.ts'
import { trimmedOf } from './issuance-answer.ts'
import type { IssuanceAnswer } from './issuance-answer.ts'
import type { IssuancePlan } from './issuance-contract.ts'
import type { IssuanceServiceOptions } from './issuance-service-options.ts'
import type { Administration } from './lifecycle/administration.ts'
import type { rotateExpiring } from './lifecycle/batch-rotation.ts'
import type { CertificateLifecycle } from './lifecycle/certificate-lifecycle.ts'
import type { RecordedSigning } from './recorded-signing.ts'
import type { Refusals } from './records/refusal/refusals.ts'
import { countUsage } from './usage.ts'

/** The dependencies of issuing. */
export interface IssuingOptions {
  readonly authority: CertificateAuthority
  readonly policy: IssuancePolicy
  readonly signing: RecordedSigning
  readonly lifecycle: CertificateLifecycle
  readonly administration: Administration
  readonly refusals: Refusals
  readonly usage: IssuanceServiceOptions['usage']
}

/** Issues, renews and plans. */
export class Issuing {
  readonly #options: IssuingOptions

  constructor(options: IssuingOptions) {
    this.#options = options
  }

  async issue(
    method: string,
    request: IssuanceRequest,
    caller: Caller,
    renewed?: CertificateRecord,
  ): Promise<IssuanceAnswer> {
    const { policy, signing, usage, administration } = this.#options
    const admitted = admit(method, request, caller)
    const decision = await decide(policy, admitted)
    throwIfAborted(admitted.signal)
    const renews = renewed && { issuer: renewed.issuer, serialNumber: renewed.serialNumber }
    const answer = await signing.issue(admitted, decision, renews)
    if (usage !== undefined) countUsage(usage, admitted, decision, answer)
    const isToRevoke = decision.revokesRenewed && renewed?.revocation === undefined
    if (renews !== undefined && isToRevoke) await administration.supersede(renews, caller)
    return answer
  }

  async plan(request: IssuanceRequest, caller: Caller): Promise<IssuancePlan> {
    const { policy, authority } = this.#options
    const admitted = admit('plan', request, caller)
    const decision = await decide(policy, admitted, true)
    const { content, rule } = decision
    const prepared = await authority.prepare(admitted.csr, content, { signal: admitted.signal })
    const { tbs, notAfter } = prepared
    return Object.freeze({
      rule,
      trimmed: trimmedOf(decision, prepared, admitted.csr),
      content,
      tbs,
      notAfter,
    })
  }

  /** Renews from a standing request: for the recorded identity, and once for each idempotency key. */
  renewStanding(
    ...[record, csr, idempotencyKey]: Parameters<Parameters<typeof rotateExpiring>[0]['renew']>
  ): Promise<IssuanceAnswer> {
    const { policy, signing, lifecycle, administration, refusals } = this.#options
    const { issuer, serialNumber, identity } = record
    const caller: Caller = { identities: [identity], credential: 'standing-request', claims: {} }
    return refusals.tell('renew', caller, record, async () => {
      lifecycle.requireValid(record)
      const admitted = admit('rotateExpiring', { csr }, caller)
      const decision = await decide(policy, admitted)
      const renewed = { issuer, serialNumber }
      const answer = await signing.issueOnce(admitted, decision, renewed, idempotencyKey)
      if (decision.revokesRenewed) await administration.supersede(renewed, caller)
      return answer
    })
  }
}
