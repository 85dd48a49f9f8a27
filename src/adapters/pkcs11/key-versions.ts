// The versions of the keys in a token, which other processes add to and destroy at the same time.

import { randomInt } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { keyExists } from '../../keys/internal.ts'
import type { KeyAlgorithm } from '../../keys/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { inToken } from './cryptoki/return-value.ts'
import { takenVersions } from './find-keys.ts'
import { generateKeyPair } from './generate-key-pair.ts'
import type { GeneratedKeyPair } from './generate-key-pair.ts'
import { findPrivateKeys, versionOf } from './objects/key-objects.ts'
import type { TokenObject } from './objects/key-objects.ts'
import { requireSigningMechanism } from './mechanisms.ts'
import { templateVariants } from './objects/key-templates.ts'
import type { TokenConnection } from './token/token-connection.ts'

/** The numbers of a key's versions that are in use. */
export type TakenVersions = ReturnType<typeof takenVersions>

/** Finds the versions of a key, and generates the next one. */
export class KeyVersions {
  readonly #connection: TokenConnection
  readonly #clock: Clock
  readonly #logger: Logger
  /** The first template that this token has not refused. */
  #variant = 0

  constructor(connection: TokenConnection, clock: Clock, logger: Logger) {
    this.#connection = connection
    this.#clock = clock
    this.#logger = logger
  }

  /** Every version of a key, oldest first. @throws ERR_HSM_KEY_AMBIGUOUS */
  async of(id: string): Promise<readonly TokenObject[]> {
    for (let attempt = 1; ; attempt++) {
      const ordered = await this.objects(id)
      const twin = ordered.find(
        (object, at) => at > 0 && versionOf(object) === versionOf(ordered[at - 1] as TokenObject),
      )
      if (twin === undefined) return ordered
      // Two processes that generated the same version both destroy theirs shortly
      // after; keys of other programs stay.
      if (twin.tag === undefined || attempt === maxAttempts) {
        const twins = ordered.filter((object) => versionOf(object) === versionOf(twin))
        const ids = twins.map(({ objectId }) => objectId.toString('hex') || 'none').slice(0, maxShown)
        const what =
          `${twins.length} private keys in the token are version ${versionOf(twin)} of ${id}; signerOf ` +
          `selects one by its CKA_ID: ${ids.join(', ')}`
        throw inToken(new PkiError('ERR_HSM_KEY_AMBIGUOUS', what), this.#connection.token.label)
      }
      await this.#wait(attempt)
    }
  }

  /** The private keys of every version, also of an ambiguous one. */
  objects(id: string): Promise<readonly TokenObject[]> {
    return this.#connection.run(async ({ handle }, cryptoki) => findPrivateKeys(cryptoki, handle, id), { id })
  }

  /** Generates a version. Its number is chosen while no other write of this process runs. */
  async make(
    id: string,
    algorithm: KeyAlgorithm,
    choose: (taken: TakenVersions) => number,
  ): Promise<GeneratedKeyPair> {
    for (let attempt = 1; ; attempt++) {
      const made = await this.#connection.write(async (session, cryptoki) => {
        const version = choose(takenVersions(cryptoki, session.handle, id))
        requireSigningMechanism(algorithm, this.#connection.token.mechanisms)
        const place = {
          module: this.#connection.token.module,
          session,
          cryptoki,
          firstVariant: this.#variant,
          onAccepted: (variant: number, refusal: PkiError | undefined) => this.#accepted(variant, refusal),
        }
        return generateKeyPair(place, id, { version, created: new Date(this.#clock.now()), algorithm })
      }, id)
      if (made !== undefined) return made
      if (attempt === maxAttempts) throw keyExistsInToken(id)
      await this.#wait(attempt)
    }
  }

  #accepted(variant: number, refusal: PkiError | undefined): void {
    this.#variant = variant
    if (refusal === undefined) return
    const { token } = this.#connection
    this.#logger.warn(
      { token: token.label, change: templateVariants[variant]?.change },
      `the token refused a template of a key pair and accepted another: ${refusal.message}`,
    )
  }

  /**
   * Waits a random time for another process, so that two that destroyed their
   * keys do not retry at the same moment.
   */
  #wait(attempt: number): Promise<void> {
    return new Promise<void>((resolve) =>
      this.#clock.schedule(resolve, 1 + randomInt(5 * 2 ** attempt), { keepAlive: true }),
    )
  }
}

/** The error for a key that exists. */
export function keyExistsInToken(id: string): PkiError {
  return keyExists(id, ' in the token')
}

/** How often a version is tried while other processes use its number. */
const maxAttempts = 8
const maxShown = 8
