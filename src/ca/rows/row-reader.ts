// Reads a row of a database strictly: an unexpected value is an error that names the column.

import { PkiError } from '../../errors/index.ts'

/** The value of a column. Times are whole milliseconds since the epoch. */
export type ColumnValue = string | number | Uint8Array | null

/** A row as the database driver returns it, by column name. @inline */
export type Row = Readonly<Record<string, unknown>>

/**
 * Reads the columns of one row. Every method throws ERR_STORE_CORRUPT for a
 * value that this package cannot have written.
 */
export class RowReader {
  readonly #table: string
  readonly #row: Row

  constructor(table: string, row: Row) {
    this.#table = table
    this.#row = row
  }

  text(column: string): string {
    const value = this.#row[column]
    if (typeof value === 'string') return value
    throw this.corrupt(column, 'text')
  }

  optionalText(column: string): string | undefined {
    return this.isNull(column) ? undefined : this.text(column)
  }

  /** An integer: some databases return it as BigInt or decimal text. */
  integer(column: string): number {
    const value = this.#row[column]
    const number =
      typeof value === 'bigint' || (typeof value === 'string' && decimal.test(value)) ? Number(value) : value
    if (Number.isSafeInteger(number)) return number as number
    throw this.corrupt(column, 'a whole number below 2^53')
  }

  optionalInteger(column: string): number | undefined {
    return this.isNull(column) ? undefined : this.integer(column)
  }

  /** A copy with its own memory. */
  octets(column: string): Uint8Array {
    const value = this.#row[column]
    if (value instanceof Uint8Array) return new Uint8Array(value)
    throw this.corrupt(column, 'octets')
  }

  optionalOctets(column: string): Uint8Array | undefined {
    return this.isNull(column) ? undefined : this.octets(column)
  }

  /** A time, from its milliseconds. */
  time(column: string): Date {
    const date = new Date(this.integer(column))
    if (Number.isNaN(date.getTime())) throw this.corrupt(column, 'a time in milliseconds')
    return date
  }

  optionalTime(column: string): Date | undefined {
    return this.isNull(column) ? undefined : this.time(column)
  }

  /** One of a closed set of texts. */
  oneOf(column: string, values: ReadonlySet<string>): string {
    const text = this.text(column)
    if (values.has(text)) return text
    throw this.corrupt(column, `one of ${[...values].join(', ')}`)
  }

  /** Text that matches a pattern. */
  matching(column: string, form: RegExp, name: string): string {
    const text = this.text(column)
    if (form.test(text)) return text
    throw this.corrupt(column, name)
  }

  isNull(column: string): boolean {
    const value = this.#row[column]
    if (value === undefined) throw this.corrupt(column, 'a column of the query')
    return value === null
  }

  /** The error for an unexpected value of a column. */
  corrupt(column: string, expected: string, cause?: unknown): PkiError {
    return new PkiError(
      'ERR_STORE_CORRUPT',
      `table ${this.#table}: column ${column} is ${shown(this.#row[column])}; expected ${expected}`,
      { cause },
    )
  }
}

function shown(value: unknown): string {
  if (value === null) return 'NULL'
  if (value instanceof Uint8Array) return `${value.length} octets`
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, 40))}`
  return typeof value === 'number' || typeof value === 'bigint'
    ? String(value)
    : `of the type ${typeof value}`
}

const decimal = /^-?(?:0|[1-9]\d{0,15})$/
