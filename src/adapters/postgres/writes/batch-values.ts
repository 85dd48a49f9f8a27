// The values of a batch as two parameters: JSON for text and numbers, one octet string for all octets.

import type { ColumnValue, Row } from '../../../ca/internal.ts'
import type { CertificateId } from '../../../ca/internal.ts'

/** Rows of one statement. */
export class BatchValues {
  readonly #rows: Readonly<Record<string, unknown>>[] = []
  readonly #octets: Uint8Array[] = []
  #length = 0

  /**
   * Adds a row. A column `x` with octets becomes `x_start` (from 1) and `x_length`; the statement takes them
   * from the second parameter by `octetsSql`.
   */
  add(row: Readonly<Record<string, ColumnValue | boolean | undefined>>): void {
    const values: Record<string, unknown> = {}
    for (const [column, value] of Object.entries(row)) {
      if (value instanceof Uint8Array) {
        values[`${column}_start`] = this.#length + 1
        values[`${column}_length`] = value.length
        this.#octets.push(value)
        this.#length += value.length
      } else values[column] = value
    }
    this.#rows.push(values)
  }

  /** The values of $1 and $2. */
  get parameters(): readonly [json: string, octets: Uint8Array] {
    return [JSON.stringify(this.#rows), Buffer.concat(this.#octets, this.#length)]
  }
}

/** The octets of a column of a row `given`: NULL where the row has none. */
export function octetsSql(column: string): string {
  return `substring($2::bytea FROM given.${column}_start FOR given.${column}_length)`
}

/** The rows of $1 as a table `given`. */
export function givenSql(columns: string): string {
  return `json_to_recordset($1::json) AS given(${columns})`
}

/** Certificates as the value of $1. */
export function jsonOf(ids: readonly CertificateId[]): string {
  return JSON.stringify(ids.map(({ issuer, serialNumber }) => ({ issuer, serial_number: serialNumber })))
}

/** The key of a certificate in a map. */
export function keyOf({ issuer, serialNumber }: CertificateId): string {
  return `${issuer} ${serialNumber}`
}

/** The certificate of a row with the columns `issuer` and `serial_number`. */
export function idOfRow(row: Row): CertificateId {
  return { issuer: row['issuer'], serialNumber: row['serial_number'] } as CertificateId
}

export function keysOf(rows: readonly Row[]): Set<string> {
  return new Set(rows.map((row) => keyOf(idOfRow(row))))
}

/** The certificate of the values of an intent. */
export function idOf([issuer, serialNumber]: readonly ColumnValue[]): CertificateId {
  return { issuer, serialNumber } as CertificateId
}
