// The events of a rotation, and the authorities whose certificates must be renewed.

import type { Logger } from '../../runtime/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateInput } from '../../x509/index.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { HeldAuthority } from './held-authority.ts'
import type { RotationEvent } from './rotation-contract.ts'
import type { RotationState } from './rotation-state.ts'

/** The listeners of one rotation, and the last events that they received. */
export class RotationEvents {
  readonly #logger: Logger
  readonly #listeners = new Set<(event: RotationEvent) => void>()
  /** Key identifiers of tainted authorities. */
  #tainted: ReadonlySet<string> = new Set()
  /** Key identifiers of tainted and of revoked authorities. */
  #left: ReadonlySet<string> = new Set()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  listen(listener: (event: RotationEvent) => void): () => void {
    const own = (event: RotationEvent): void => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** No listener is called after this. */
  close(): void {
    this.#listeners.clear()
  }

  /**
   * Whether holders of a certificate must renew: its authority is tainted, or revoked and so no longer in the
   * trust bundle.
   */
  isLeft(certificate: CertificateInput): boolean {
    const issuer = Certificate.from(certificate).authorityKeyIdentifier?.keyIdentifier
    return issuer !== undefined && this.#left.has(keyIdentifierOf(issuer))
  }

  /** Reports each authority that became tainted. */
  tellTainted({ held }: RotationState): void {
    const of = (state: string): readonly HeldAuthority[] =>
      held.filter(({ record }) => record.state === state)
    const before = this.#tainted
    const tainted = of('tainted')
    this.#tainted = new Set(tainted.map(keyOf))
    this.#left = new Set([...this.#tainted, ...of('revoked').map(keyOf)])
    for (const one of tainted)
      if (!before.has(keyOf(one)))
        this.tell({ kind: 'tainted', id: one.record.id, certificate: one.certificate })
  }

  /** A listener that throws must not stop a rotation. */
  tell(event: RotationEvent): void {
    if (event.kind === 'failed')
      this.#logger.error({ error: String(event.error) }, 'a step of the rotation failed; it is tried again')
    for (const listener of [...this.#listeners]) {
      try {
        listener(Object.freeze(event))
      } catch (error) {
        this.#logger.error({ error: String(error) }, 'a listener of the rotation failed')
      }
    }
  }
}

/** The signing authorities with their shares, the tainted ones, and those that are no longer trusted. */
export function rolesOf({ held }: RotationState): string {
  const roles = held.filter(
    ({ record: { state }, details: { share } }) =>
      state === 'active' || state === 'tainted' || state === 'revoked' || share !== undefined,
  )
  return JSON.stringify(roles.map(({ record: { id, state }, details: { share } }) => [id, state, share]))
}

function keyOf({ certificate }: HeldAuthority): string {
  return keyIdentifierOf(certificate.subjectKeyIdentifier ?? new Uint8Array())
}
