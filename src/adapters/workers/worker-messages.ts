// What the pool and its workers say to each other: many certificates a message, their bytes in one buffer that is handed over.

import type { KeyObject } from 'node:crypto'
import type { PkiErrorCode } from '../../errors/index.ts'

/** What a worker is started with. A KeyObject crosses threads without its octets being written out. */
export interface WorkerSetup {
  readonly privateKey: KeyObject
  readonly pss: boolean
}

/** Certificates to make: of each the request and the bytes to sign. */
export interface WorkerRequest {
  readonly batch: number
  readonly jobs: Uint8Array<ArrayBuffer>
}

/** Of each the signature, and nothing for one that there is none for. */
export interface WorkerReply {
  readonly batch: number
  readonly signatures: Uint8Array<ArrayBuffer>
  /** Absent where there are none. */
  readonly failures: readonly WorkerFailure[] | undefined
}

/** Why the job at this place has no signature. */
export interface WorkerFailure {
  readonly at: number
  readonly code: PkiErrorCode
  readonly message: string
}

/** Byte strings in one buffer: how many, the length of each, then all of them. Numbers of 32 bits, as both threads of one machine have them. */
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

/** Views. */
export function unpack(packed: Uint8Array<ArrayBuffer>): Uint8Array[] {
  const header = new Uint32Array(packed.buffer, 0, packed.length >> 2)
  const count = header[0] as number
  const list: Uint8Array[] = []
  let at = 4 * (1 + count)
  for (let i = 1; i <= count; i++) list.push(packed.subarray(at, (at += header[i] as number)))
  return list
}
