// Tiles in memory, with a fault on demand.

import type { TileStore } from '../../../src/audit/index.ts'

export class MemoryTiles implements TileStore {
  readonly files: Map<string, Uint8Array> = new Map()
  /** Writes that succeed before the next one fails; undefined: none fails. */
  failAfter: number | undefined

  read(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.files.get(path))
  }

  write(path: string, octets: Uint8Array): Promise<void> {
    if (this.failAfter !== undefined && this.failAfter-- <= 0) {
      this.failAfter = undefined
      return Promise.reject(new Error('EIO'))
    }
    this.files.set(path, Uint8Array.from(octets))
    return Promise.resolve()
  }
}
