// Reports and records each refusal once, at the end of the method that refuses.

import type { IssuanceEvents } from '../../events/issuance-events.ts'
import type { AuditTrail } from '../audit-trail.ts'
import { serialNumberOf } from '../certificate-lookup.ts'
import type { CertificateReference } from '../certificate-lookup.ts'
import type { IssuanceAction } from '../../events/issuance-event.ts'

/** Reports and records the refusals of one service. */
export class Refusals {
  readonly #events: IssuanceEvents
  readonly #trail: AuditTrail

  constructor(events: IssuanceEvents, trail: AuditTrail) {
    this.#events = events
    this.#trail = trail
  }

  /** Runs a method; its errors are reported, recorded and thrown. */
  async tell<Answer>(
    action: IssuanceAction,
    caller: unknown,
    reference: CertificateReference | undefined,
    run: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await run()
    } catch (error) {
      const serialNumber = reference === undefined ? undefined : serialNumberOf(reference)
      this.#events.tell({ kind: 'refused', action, error, caller, serialNumber })
      await this.#record(action, error, caller, serialNumber)
      throw error
    }
  }

  /** The caller gets the reason of the refusal even if its record cannot be stored. */
  async #record(
    action: IssuanceAction,
    error: unknown,
    caller: unknown,
    serialNumber: string | undefined,
  ): Promise<void> {
    try {
      await this.#trail.refused(action, error, caller, serialNumber)
    } catch (failure) {
      this.#events.tell({ kind: 'refusal unrecorded', action, error: failure })
    }
  }
}
