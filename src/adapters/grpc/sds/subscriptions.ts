// The subscribed names of one stream, the versions that were sent, and the pending ones. Used by both
// protocols.

import { StatusAnswer, status } from '../status.ts'

/** A named resource in one version. */
export interface SdsResource {
  readonly name: string
  /** The same content has the same version on every stream and after a restart. */
  readonly version: string
}

/** The names that a stream starts to follow, and those that it stops following. */
export interface NameChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

interface Entry<Resource> {
  /** null: the name does not exist; undefined: not known yet. */
  latest: Resource | null | undefined
  /**
   * The version that was sent to the client or reported by it; `absent` after the client was informed that
   * there is none.
   */
  sent: string | undefined
  /** The version that the client last rejected. */
  rejected: string | undefined
  /** The client requested it again and must get a response, even if it has the current version. */
  owed: boolean
}

/** The pending content. */
export interface Pending<Resource> {
  readonly resources: readonly Resource[]
  /** Names without a secret, or whose secret was removed. */
  readonly absent: readonly string[]
}

/** The subscriptions of one stream. */
export class Subscriptions<Resource extends SdsResource> {
  readonly #maxNames: number
  readonly #entries = new Map<string, Entry<Resource>>()
  #explicit: ReadonlySet<string> = new Set()
  #wildcard = false
  #known: readonly string[] = []

  constructor(maxNames: number) {
    this.#maxNames = maxNames
  }

  /** Whether everything is subscribed to. */
  get wildcard(): boolean {
    return this.#wildcard
  }

  /** The explicitly subscribed names. */
  get explicit(): ReadonlySet<string> {
    return this.#explicit
  }

  /** Replaces the names. @throws `StatusAnswer` for invalid names, or too many */
  become(names: Iterable<string>, wildcard: boolean): NameChanges {
    const explicit = new Set(names)
    for (const name of explicit) checkName(name)
    if (explicit.size > this.#maxNames)
      throw new StatusAnswer({
        code: status.RESOURCE_EXHAUSTED,
        details: `${explicit.size} names on one stream; at most ${this.#maxNames} are served`,
      })
    this.#explicit = explicit
    this.#wildcard = wildcard
    return this.#follow()
  }

  /** The existing names, for a client that subscribed to everything. */
  know(names: readonly string[]): NameChanges {
    this.#known = names
    return this.#follow()
  }

  /**
   * The current content of a name; null if it does not exist. Nothing is kept for a name without a
   * subscription.
   */
  offer(name: string, resource: Resource | null): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined) entry.latest = resource
  }

  /** Records that the client has this version of the name. */
  has(name: string, version: string): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined) entry.sent = version
  }

  /** Records that the client requests the name again, or all names. */
  owe(name?: string): void {
    const entries = name === undefined ? [...this.#entries.values()] : [this.#entries.get(name)]
    for (const entry of entries) if (entry !== undefined) entry.owed = true
  }

  /** Records that the client rejected this version, which is not sent again. */
  reject(name: string, version: string): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined) entry.rejected = version
  }

  /** Whether `take` would return anything. */
  get due(): boolean {
    for (const entry of this.#entries.values()) if (isDue(entry)) return true
    return false
  }

  /** Returns the pending content, and marks it as sent. */
  take(): Pending<Resource> {
    const resources: Resource[] = []
    const absent: string[] = []
    for (const [name, entry] of this.#entries) {
      if (!isDue(entry)) continue
      entry.owed = false
      if (entry.latest === null) {
        absent.push(name)
        entry.sent = absentMark
      } else {
        resources.push(entry.latest as Resource)
        entry.sent = (entry.latest as Resource).version
      }
    }
    return { resources, absent }
  }

  /** Updates the entries to match the names. */
  #follow(): NameChanges {
    const wanted = new Set(this.#wildcard ? [...this.#explicit, ...this.#known] : this.#explicit)
    const added = [...wanted].filter((name) => !this.#entries.has(name))
    const removed = [...this.#entries.keys()].filter((name) => !wanted.has(name))
    for (const name of removed) this.#entries.delete(name)
    for (const name of added)
      this.#entries.set(name, { latest: undefined, sent: undefined, rejected: undefined, owed: false })
    return { added, removed }
  }
}

function isDue<Resource extends SdsResource>({ latest, sent, rejected, owed }: Entry<Resource>): boolean {
  if (latest === undefined) return false
  if (owed) return true
  const version = latest === null ? absentMark : latest.version
  return version !== sent && version !== rejected
}

function checkName(name: string): void {
  if (name !== '' && name.length <= maxNameLength) return
  throw new StatusAnswer({
    code: status.INVALID_ARGUMENT,
    details: `a resource name has ${name.length} characters; expected 1 to ${maxNameLength}`,
  })
}

/** No version equals this text: versions are hexadecimal. */
const absentMark = 'absent'
/** A SPIFFE ID has at most 2,048 octets; `file-cert:` names two paths. */
const maxNameLength = 4096
