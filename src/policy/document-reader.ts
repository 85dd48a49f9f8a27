// Reads external data key by key: faults name the path of the value, and unknown keys are refused.

import { PkiError } from '../errors/index.ts'
import { isCount } from '../internal/numbers.ts'

/** The path of a value: `['rules', 2, 'identity']`. @inline */
export type PolicyPath = readonly (string | number)[]

/** Called for the first fault; it throws. */
export type PolicyFault = (path: PolicyPath, message: string) => never

/** Refuses with the path as text: `rules[2].identity`. */
export const refuseDocument: PolicyFault = (path, message) => {
  const place = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  throw new PkiError('ERR_POLICY_INVALID', `policy${place}: ${message}`)
}

/** Reads an object key by key; `finish` refuses the keys that were not read. */
export class DocumentReader {
  readonly path: PolicyPath
  readonly value: Readonly<Record<string, unknown>>
  readonly faultAt: PolicyFault
  readonly #seen = new Set<string>()

  constructor(value: unknown, path: PolicyPath, fault: PolicyFault) {
    this.path = path
    this.faultAt = fault
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      fault(path, `expected an object, found ${kindOf(value)}`)
    this.value = value as Readonly<Record<string, unknown>>
  }

  fault(key: string, message: string): never {
    return this.faultAt([...this.path, key], message)
  }

  missing(key: string): never {
    return this.faultAt(this.path, `${key} is missing`)
  }

  text(key: string): string | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    if (typeof value !== 'string' || value === '' || value.length > 2048)
      return this.fault(key, `expected text of 1 to 2,048 characters, found ${kindOf(value)}`)
    return value
  }

  count(key: string): number | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    if (!isCount(value, 1))
      return this.fault(key, `expected a whole number of at least 1, found ${kindOf(value)}`)
    return value as number
  }

  oneOf(key: string, allowed: readonly string[]): string | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    if (!allowed.includes(value as string))
      return this.fault(key, `expected ${allowed.join(', ')}; found ${kindOf(value)}`)
    return value as string
  }

  list(key: string, check: (item: unknown, path: PolicyPath) => void): true | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) return this.fault(key, `expected a list, found ${kindOf(value)}`)
    if (value.length > maxItems) return this.fault(key, `${value.length} entries; the maximum is ${maxItems}`)
    for (const [i, item] of (value as unknown[]).entries()) check(item, [...this.path, key, i])
    return true
  }

  /** Reads a list of objects. Returns whether the key is present. */
  objects(key: string, read: (item: DocumentReader) => void): boolean {
    return (
      this.list(key, (item, path) => {
        read(new DocumentReader(item, path, this.faultAt))
      }) === true
    )
  }

  /** Accepts keys with any value. */
  ignore(keys: readonly string[]): void {
    for (const key of keys) this.#seen.add(key)
  }

  texts(key: string): void {
    this.list(key, (item, path) => {
      if (typeof item !== 'string' || item === '') this.faultAt(path, `expected text, found ${kindOf(item)}`)
    })
  }

  object(key: string): DocumentReader | undefined {
    const value = this.#take(key)
    return value === undefined ? undefined : new DocumentReader(value, [...this.path, key], this.faultAt)
  }

  claims(key: string): void {
    const claims = this.object(key)
    if (claims === undefined) return
    for (const [name, value] of Object.entries(claims.value)) {
      const values: readonly unknown[] = Array.isArray(value) ? value : [value]
      if (values.length === 0 || !values.every(isScalar))
        claims.fault(name, 'expected text, a number, true, false, or a list of them')
    }
  }

  finish(): void {
    const odd = Object.keys(this.value).find((key) => !this.#seen.has(key))
    if (odd !== undefined) this.fault(odd, `unknown; expected one of ${[...this.#seen].join(', ')}`)
  }

  #take(key: string): unknown {
    this.#seen.add(key)
    if (!Object.hasOwn(this.value, key)) return undefined
    // `key:` without a value is null in YAML: an unfinished line must not lift a restriction.
    return this.value[key] ?? this.fault(key, 'has no value; omit the key or give a value')
  }
}

function isScalar(value: unknown): boolean {
  return (
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value))
  )
}

function kindOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 64))
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value
}

const maxItems = 100_000
