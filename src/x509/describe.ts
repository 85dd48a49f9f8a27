// The text and JSON forms of certificates, requests and lists: bounded, escaped, and never throwing.

import { inspect } from 'node:util'
import { isPkiError } from '../errors/index.ts'
import { toHex } from '../internal/bytes.ts'
import { printable } from '../internal/values/outside-text.ts'
import type { PublicKey } from './algorithms/public-key.ts'
import { formatGeneralName } from './names/general-name.ts'
import type { GeneralName } from './names/general-name.ts'

/** One row: title and text. Rows without text are omitted. */
export type Row = readonly [title: string, text: () => string | undefined]

/** A heading and its rows, one per line. */
export function formatRows(heading: string, rows: readonly Row[]): string {
  const lines = rows.flatMap(([title, text]) => {
    const shown = readable(text)
    return shown === undefined || shown === '' ? [] : [`  ${title.padEnd(11)} ${shown}`]
  })
  return [heading, ...lines].join('\n')
}

/** The value of a field, or the reason why it cannot be read. Text is escaped and bounded. */
export function readable(read: () => string | undefined): string | undefined {
  try {
    const text = read()
    return text === undefined ? undefined : shown(text)
  } catch (error) {
    return unreadable(error)
  }
}

/** The values of a list, as `readable` shows them; at most 32. */
export function readableList(read: () => readonly string[] | undefined): string[] | undefined {
  try {
    const all = read()
    if (all === undefined) return undefined
    const first = all.slice(0, maxItems).map(shown)
    return all.length > maxItems ? [...first, `(${all.length - maxItems} more)`] : first
  } catch (error) {
    return [unreadable(error)]
  }
}

/** `DNS:web.example, URI:spiffe://td/web` */
export function formatNames(names: readonly GeneralName[] | undefined): string | undefined {
  return readableList(() => names?.map(formatGeneralName))?.join(', ')
}

/** The values of one kind of name. */
export function namesOf(
  names: readonly GeneralName[] | undefined,
  type: 'dns' | 'uri' | 'email' | 'ip',
): string[] {
  return (names ?? []).flatMap((name) =>
    name.type === type ? [(name as { readonly value: string }).value] : [],
  )
}

/** `P-256`, `RSA 2048`. */
export function formatKey({ algorithm, bits, info }: PublicKey): string {
  if (algorithm === undefined) return `unsupported (${info.problem?.detail ?? info.oid})`
  return algorithm.startsWith('RSA') ? `${algorithm} ${bits}` : algorithm
}

/** Lower-case hexadecimal. */
export function formatFingerprint(fingerprint: Uint8Array): string {
  return toHex(fingerprint)
}

/** `2026-01-01 00:00:00 UTC` */
export function formatTime(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Makes `util.inspect` of a class print the output of `toString`, indented as the surrounding output. */
export function defineInspect(prototype: { toString(): string }): void {
  Object.defineProperty(prototype, inspect.custom, {
    value(this: { toString(): string }): string {
      return this.toString()
    },
  })
}

function unreadable(error: unknown): string {
  const code = isPkiError(error) ? error.code : 'error'
  return `(unreadable: ${code})`
}

function shown(text: string): string {
  return printable(text.length > maxText ? `${text.slice(0, maxText)}… (${text.length} characters)` : text)
}

const maxItems = 32
const maxText = 512
