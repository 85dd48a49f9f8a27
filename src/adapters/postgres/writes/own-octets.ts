// Copies of octets that outlive the call.

import type { ColumnValue, WriteOptions } from '../../../ca/internal.ts'

export function copied(value: ColumnValue): ColumnValue {
  return value instanceof Uint8Array ? new Uint8Array(value) : value
}

export function auditOf({ audit }: WriteOptions): readonly Uint8Array[] {
  return audit === undefined ? none : audit.map((entry) => new Uint8Array(entry))
}

const none: readonly Uint8Array[] = []
