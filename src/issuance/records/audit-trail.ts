// The audit records of the service: one for each decision, in the transaction that it describes.

import { createHash } from 'node:crypto'
import { encodeAuditRecord } from '../../audit/index.ts'
import type { AuditRecord } from '../../audit/index.ts'
import type { Caller } from '../../auth/index.ts'
import type { CaStorage, RevocationReason } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import { isPkiError } from '../../errors/index.ts'
import type { JsonObject } from '../../internal/json.ts'
import type { Clock } from '../../runtime/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import type { IssuanceAction } from '../events/issuance-event.ts'
import { RefusalBudget } from './refusal/refusal-budget.ts'

/** The audit option of a write into the store. */
interface AuditedWrite {
  readonly audit?: readonly Uint8Array[] | undefined
}

/** Makes the audit records of one service; none if audit is off. */
export class AuditTrail {
  readonly #store: CaStorage['audit'] | undefined
  readonly #clock: Clock
  readonly #budget: RefusalBudget

  /** `store` undefined: audit is off. */
  constructor(store: CaStorage['audit'] | undefined, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#budget = new RefusalBudget(clock)
  }

  issued(
    { issuer, serialNumber }: CertificateId,
    identity: SpiffeId,
    certificate: Uint8Array,
    by: {
      readonly caller: Caller
      readonly rule: string
      readonly renews: CertificateId | undefined
      /** An identity that has a certificate for the same key. */
      readonly keyAlsoOf: SpiffeId | undefined
    },
  ): AuditedWrite {
    if (this.#store === undefined) return {}
    return this.#write({
      event: by.renews === undefined ? 'issued' : 'renewed',
      caller: namesOf(by.caller),
      issuer,
      serialNumber,
      certificateSha256: createHash('sha256').update(certificate).digest('hex'),
      identity: identity.toString(),
      rule: by.rule,
      details: detailsOf({ renews: by.renews?.serialNumber, keyAlsoOf: by.keyAlsoOf?.toString() }),
    })
  }

  changed(
    event: 'revoked' | 'released',
    { issuer, serialNumber }: CertificateId,
    identity: SpiffeId,
    by: { readonly caller: Caller; readonly reason?: RevocationReason },
  ): AuditedWrite {
    const { caller, reason } = by
    const names = namesOf(caller)
    return this.#write({ event, caller: names, issuer, serialNumber, identity: identity.toString(), reason })
  }

  /** A change of the configuration by an administrator. */
  configured(details: JsonObject, caller: Caller): AuditedWrite {
    return this.#write({ event: 'configuration', caller: namesOf(caller), details })
  }

  /**
   * A refusal is not part of another write, so its record is written separately. At most ten per second of
   * one caller are recorded, and a hundred of all; the others are counted, and the next record has their
   * number as `suppressed`.
   *
   * @throws the errors of the store
   */
  async refused(
    action: IssuanceAction,
    error: unknown,
    caller: unknown,
    serialNumber: unknown,
  ): Promise<void> {
    if (this.#store === undefined) return
    const names = namesOf(caller)
    const suppressed = this.#budget.take(JSON.stringify(names))
    if (suppressed === undefined) return
    const { audit } = this.#write({
      event: 'refused',
      caller: names,
      serialNumber: typeof serialNumber === 'string' ? serialNumber.slice(0, 64) : undefined,
      reason: isPkiError(error) ? error.code : 'ERR_INTERNAL',
      details: suppressed === 0 ? { action } : { action, suppressed },
    })
    await this.#store.append(audit ?? [])
  }

  /** Records the number of refusals counted since the last recorded one, when the service is disposed of. */
  async settle(): Promise<void> {
    const suppressed = this.#budget.takeSuppressed()
    if (this.#store === undefined || suppressed === 0) return
    const { audit } = this.#write({ event: 'refused', details: { suppressed } })
    await this.#store.append(audit ?? [])
  }

  #write(record: Omit<AuditRecord, 'time'>): AuditedWrite {
    if (this.#store === undefined) return {}
    return { audit: [encodeAuditRecord({ ...record, time: new Date(this.#clock.now()) })] }
  }
}

function detailsOf(details: Readonly<Record<string, string | undefined>>): JsonObject | undefined {
  const given = Object.entries(details).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}

/** Reads a refused caller defensively, because even its type may be wrong. */
function namesOf(caller: unknown): AuditRecord['caller'] {
  const { identities, credential } = Object(caller) as Partial<Caller>
  return {
    credential: typeof credential === 'string' ? credential.slice(0, 256) : 'unknown',
    identities: Array.isArray(identities) ? identities.slice(0, 16).map(nameOf) : [],
  }
}

function nameOf(identity: unknown): string {
  try {
    return String(identity).slice(0, 2048)
  } catch {
    return 'unknown'
  }
}
