// The block-list, which administrators change: identities, keys and certificates that get no further
// certificate.

import type { Caller } from '../../../auth/index.ts'
import type { CaStorage } from '../../../ca/index.ts'
import type { BlockedSubject, RenewalBlock, RenewalBlockStore } from '../../../ca/internal.ts'
import { blockedSubjectText } from '../../../ca/internal.ts'
import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import type { Clock } from '../../../runtime/index.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import type { Administrators } from '../administrators.ts'
import type { AuditTrail } from '../audit-trail.ts'
import { isHexadecimal } from '../certificate-lookup.ts'
import { storeFailure } from '../store-calls.ts'

/** The dependencies of the block-list. */
export interface BlockListOptions {
  readonly blocks: CaStorage['blocks']
  readonly administrators: Administrators
  readonly clock: Clock
  readonly trail: AuditTrail
}

/** Changes the block-list, on behalf of administrators. */
export class BlockList {
  readonly #options: BlockListOptions

  constructor(options: BlockListOptions) {
    this.#options = options
  }

  /** @throws ERR_POLICY_DENIED, ERR_INVALID_ARGUMENT, ERR_STORE_FULL */
  async block(given: BlockedSubject, reason: string, caller: Caller): Promise<string> {
    const { administrators, clock, trail } = this.#options
    const subject = readSubject('block', given)
    if (typeof reason !== 'string' || reason === '' || reason.length > 1024)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'block: reason must be text of 1 to 1,024 characters')
    administrators.require(caller, 'add to the block-list')
    const text = blockedSubjectText(subject)
    const audit = trail.configured({ action: 'block', subject: text, why: reason }, caller)
    await this.#write((blocks) => blocks.add({ subject, reason, since: new Date(clock.now()) }, audit))
    return text
  }

  /** Removes a block; undefined if there was none. @throws ERR_POLICY_DENIED, ERR_INVALID_ARGUMENT */
  async unblock(given: BlockedSubject, caller: Caller): Promise<string | undefined> {
    const { administrators, trail } = this.#options
    const subject = readSubject('unblock', given)
    administrators.require(caller, 'remove from the block-list')
    const text = blockedSubjectText(subject)
    const audit = trail.configured({ action: 'unblock', subject: text }, caller)
    const isRemoved = await this.#write((blocks) => blocks.remove(subject, audit))
    return isRemoved ? text : undefined
  }

  async list(): Promise<readonly RenewalBlock[]> {
    return this.#options.blocks === undefined ? [] : this.#write((blocks) => blocks.list())
  }

  async #write<Answer>(call: (blocks: RenewalBlockStore) => Promise<Answer>): Promise<Answer> {
    const { blocks } = this.#options
    if (blocks === undefined)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'the storage of the CA has no block-list (`blocks`)')
    try {
      return await call(blocks)
    } catch (cause) {
      throw storeFailure(cause)
    }
  }
}

/** A copy with exactly one subject. @throws ERR_INVALID_ARGUMENT */
function readSubject(method: string, given: BlockedSubject): BlockedSubject {
  const { identity, keyIdentifier, certificate } = readOptions<{
    identity?: SpiffeId
    keyIdentifier?: string
    certificate?: { readonly issuer: string; readonly serialNumber: string }
  }>(method, given, { identity: 'guard', keyIdentifier: 'guard', certificate: 'guard' })
  const count = [identity, keyIdentifier, certificate].filter((one) => one !== undefined).length
  if (count !== 1)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${method}: give one of identity, keyIdentifier and certificate`,
    )
  if (identity !== undefined) return { identity: SpiffeId.from(identity) }
  if (isHexadecimal(keyIdentifier)) return { keyIdentifier } as BlockedSubject
  const { issuer, serialNumber } = Object(certificate) as Partial<Record<string, unknown>>
  if (isHexadecimal(issuer) && isHexadecimal(serialNumber))
    return { certificate: { issuer, serialNumber } } as BlockedSubject
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${method}: a key identifier, an issuer and a serial number are upper-case hexadecimal`,
  )
}
