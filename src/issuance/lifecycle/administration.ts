// Revocations, holds and blocks on behalf of callers; each change and each refusal is reported.

import type { Caller } from '../../auth/index.ts'
import type { CertificateAuthority } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import { readOptions } from '../../internal/options.ts'
import { Certificate } from '../../x509/index.ts'
import { admitCaller } from '../admission.ts'
import type { IssuanceService, RevokeCertificateOptions } from '../issuance-contract.ts'
import type { IssuanceEvents } from '../events/issuance-events.ts'
import type { BlockList } from '../records/refusal/block-list.ts'
import type { Refusals } from '../records/refusal/refusals.ts'
import type { CertificateLifecycle } from './certificate-lifecycle.ts'

/** The dependencies of administration. */
export interface AdministrationOptions {
  readonly authority: CertificateAuthority
  readonly lifecycle: CertificateLifecycle
  readonly blocks: BlockList
  readonly events: IssuanceEvents
  readonly refusals: Refusals
  /** Whether lists are published with each revocation. */
  readonly publishesRevocations: boolean
}

type Method<Name extends keyof IssuanceService> = Parameters<IssuanceService[Name]>

/** Changes records and the block-list. */
export class Administration {
  readonly #options: AdministrationOptions

  constructor(options: AdministrationOptions) {
    this.#options = options
  }

  async revoke(...[certificate, reason, caller, options]: Method<'revoke'>): Promise<void> {
    const { lifecycle, events, refusals } = this.#options
    await refusals.tell('revoke', caller, certificate, async () => {
      const by = admitCaller(caller)
      const read = readOptions<RevokeCertificateOptions>('revoke', options, { certificate: 'guard' })
      const given = read.certificate === undefined ? undefined : Certificate.from(read.certificate)
      const { identity, ...id } = await lifecycle.revoke(certificate, reason, by, given)
      events.tell({ kind: 'revoked', id, identity, reason, caller: by })
      await this.#publish()
    })
  }

  /**
   * Revokes a renewed certificate, on behalf of the holder of the new one. The new certificate is returned
   * even if the lists cannot be published, because its holder has no other valid one; the lists are published
   * later.
   */
  async supersede(renewed: CertificateId, caller: Caller): Promise<void> {
    const { lifecycle, events } = this.#options
    const { identity, ...id } = await lifecycle.revoke(renewed, 'superseded', caller, undefined)
    events.tell({ kind: 'revoked', id, identity, reason: 'superseded', caller })
    await this.#publish().catch((error: unknown) => {
      events.tell({ kind: 'not published', id, error })
    })
  }

  async release(...[certificate, caller]: Method<'release'>): Promise<void> {
    const { lifecycle, events, refusals } = this.#options
    await refusals.tell('release', caller, certificate, async () => {
      const by = admitCaller(caller)
      const { identity, ...id } = await lifecycle.release(certificate, by)
      events.tell({ kind: 'released', id, identity, caller: by })
      await this.#publish()
    })
  }

  async block(...[subject, reason, caller]: Method<'block'>): Promise<void> {
    const { blocks, events, refusals } = this.#options
    await refusals.tell('block', caller, undefined, async () => {
      const by = admitCaller(caller)
      const text = await blocks.block(subject, reason, by)
      events.tell({ kind: 'blocked', subject: text, reason, caller: by })
    })
  }

  async unblock(...[subject, caller]: Method<'unblock'>): Promise<boolean> {
    const { blocks, events, refusals } = this.#options
    return refusals.tell('unblock', caller, undefined, async () => {
      const by = admitCaller(caller)
      const text = await blocks.unblock(subject, by)
      if (text !== undefined) events.tell({ kind: 'unblocked', subject: text, caller: by })
      return text !== undefined
    })
  }

  async #publish(): Promise<void> {
    if (this.#options.publishesRevocations) await this.#options.authority.issueCrls()
  }
}
