// What the pool and its workers say to each other: many certificates a message, their bytes in one buffer that is handed over.

import type { KeyObject } from 'node:crypto'
import type { PkiErrorCode } from '../../errors/index.ts'

/** What a worker is started with. A KeyObject crosses threads without its octets being written out. */
export interface WorkerSetup {
  readonly privateKey: KeyObject
  readonly pss: boolean
}

/** Byte strings one after the other. */
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly lengths: readonly number[]
}

/** Certificates to make: of each the request and the bytes to sign. */
export interface WorkerRequest {
  readonly batch: number
  readonly jobs: Packed
}

/** Of each the signature, and nothing for one that there is none for. */
export interface WorkerReply {
  readonly batch: number
  readonly signatures: Packed
  readonly failures: readonly WorkerFailure[]
}

/** Why the job at this place has no signature. */
export interface WorkerFailure {
  readonly at: number
  readonly code: PkiErrorCode
  readonly message: string
}

export function pack(list: readonly Uint8Array[]): Packed {
  const lengths = list.map(({ length }) => length)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const one of list) {
    bytes.set(one, at)
    at += one.length
  }
  return { bytes, lengths }
}

/** Views. */
export function unpack({ bytes, lengths }: Packed): Uint8Array[] {
  let at = 0
  return lengths.map((length) => bytes.subarray(at, (at += length)))
}
