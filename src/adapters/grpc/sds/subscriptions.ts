// The subscribed names of one stream, the versions that were sent, and the pending ones, for both protocols.

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

/** The content of a name, which the stream reads when it has its turn. */
export interface Watched<Resource> {
  /** null: the name does not exist; undefined: not known yet. */
  readonly value: Resource | null | undefined
}

interface Entry<Resource> {
  watched: Watched<Resource>
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
  readonly #reportsAbsent: boolean
  readonly #entries = new Map<string, Entry<Resource>>()
  #explicit: ReadonlySet<string> = new Set()
  #wildcard = false
  #known: readonly string[] = []

  /** @param reportsAbsent Whether the protocol can tell a client that a name does not exist. */
  constructor(maxNames: number, reportsAbsent: boolean) {
    this.#maxNames = maxNames
    this.#reportsAbsent = reportsAbsent
  }

  /** Whether everything is subscribed to. */
  get wildcard(): boolean {
    return this.#wildcard
  }

  /** The explicitly subscribed names. */
  get explicit(): ReadonlySet<string> {
    return this.#explicit
  }

  /** Every name that the stream follows. */
  get names(): Iterable<string> {
    return this.#entries.keys()
  }

  /** Replaces the names. @throws `StatusAnswer` for invalid names, or too many */
  become(names: Iterable<string>, wildcard: boolean): NameChanges {
    const explicit = new Set(names)
    for (const name of explicit) checkName(name)
    if (explicit.size > this.#maxNames)
      throw new StatusAnswer({
        code: status.RESOURCE_EXHAUSTED,
        details: `${explicit.size} names on one stream; the maximum is ${this.#maxNames}`,
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
   * Sets the object from which the content of a name is read from now on. Nothing is stored for a name
   * without a subscription.
   */
  offer(name: string, watched: Watched<Resource>): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined) entry.watched = watched
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
    for (const entry of this.#entries.values()) if (this.#isDue(entry)) return true
    return false
  }

  /** Returns the pending content, and marks it as sent. */
  take(): Pending<Resource> {
    const resources: Resource[] = []
    const absent: string[] = []
    for (const [name, entry] of this.#entries) {
      if (!this.#isDue(entry)) continue
      entry.owed = false
      const { value } = entry.watched
      if (value === null || value === undefined) absent.push(name)
      else resources.push(value)
      entry.sent = versionOf(value)
    }
    return { resources, absent }
  }

  #isDue({ watched: { value }, sent, rejected, owed }: Entry<Resource>): boolean {
    if (value === undefined || (value === null && !this.#reportsAbsent)) return false
    if (owed) return true
    const version = versionOf(value)
    return version !== sent && version !== rejected
  }

  /** Updates the entries to match the names. */
  #follow(): NameChanges {
    const wanted = new Set(this.#wildcard ? [...this.#explicit, ...this.#known] : this.#explicit)
    const added = [...wanted].filter((name) => !this.#entries.has(name))
    const removed = [...this.#entries.keys()].filter((name) => !wanted.has(name))
    for (const name of removed) this.#entries.delete(name)
    for (const name of added)
      this.#entries.set(name, { watched: unknown, sent: undefined, rejected: undefined, owed: false })
    return { added, removed }
  }
}

function versionOf(resource: SdsResource | null | undefined): string {
  return resource?.version ?? absentMark
}

function checkName(name: string): void {
  if (name !== '' && name.length <= maxNameLength) return
  throw new StatusAnswer({
    code: status.INVALID_ARGUMENT,
    details: `a resource name has ${name.length} characters; expected 1 to ${maxNameLength}`,
  })
}

const unknown: Watched<never> = { value: undefined }
/** No version equals this text: versions are hexadecimal. */
const absentMark = 'absent'
/** A SPIFFE ID has at most 2,048 octets; `file-cert:` names two paths. */
const maxNameLength = 4096
