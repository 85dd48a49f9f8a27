// The messages between the pool and its threads: many jobs in one message,
// their octets in one transferred buffer.

import type { KeyObject } from 'node:crypto'
import type { PkiErrorCode } from '../../errors/index.ts'

/** The start data of a thread. A KeyObject is passed to a thread without exporting its octets. */
export interface WorkerSetup {
  readonly privateKey: KeyObject
  readonly pss: boolean
}

/** Jobs for one thread. */
export interface WorkerRequest {
  readonly batch: number
  /**
   * Two parts per job: DER of a request and an empty part, to verify it; or SPKI and TBSCertificate, to sign.
   */
  readonly jobs: Uint8Array<ArrayBuffer>
}

/** The results of the jobs of one batch, in order. */
export interface WorkerReply {
  readonly batch: number
  /** One signature per job; empty for a proof, and for a failed job. */
  readonly signatures: Uint8Array<ArrayBuffer>
  /** Undefined if no job failed. */
  readonly failures: readonly WorkerFailure[] | undefined
}

/** The failure of a job. */
export interface WorkerFailure {
  /** The index of the job in its batch. */
  readonly at: number
  readonly code: PkiErrorCode
  readonly message: string
}

/**
 * Packs octet strings into one buffer: their count, the length of each, then all of them. Native 32-bit
 * integers, because both threads are on the same machine.
 */
export function pack(list: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let at = 4 * (1 + list.length)
  const packed = new Uint8Array(list.reduce((sum, { length }) => sum + length, at))
  const header = new Uint32Array(packed.buffer, 0, 1 + list.length)
  header[0] = list.length
  list.forEach((one, i) => {
    header[1 + i] = one.length
    packed.set(one, at)
    at += one.length
  })
  return packed
}

/** Views over the parts of a buffer created by `pack`. */
export function unpack(packed: Uint8Array<ArrayBuffer>): Uint8Array[] {
  const header = new Uint32Array(packed.buffer, 0, packed.length >> 2)
  const count = header[0] as number
  const list: Uint8Array[] = []
  let at = 4 * (1 + count)
  for (let i = 1; i <= count; i++) list.push(packed.subarray(at, (at += header[i] as number)))
  return list
}
