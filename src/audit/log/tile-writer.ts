// Adds entries to the tiles of a log: full tiles, and the partial tiles at the right edge.

import { leafHash, parentHashes } from '../merkle-tree.ts'
import { TileReader, encodeEntries, tilePath, tileWidth, tileWidthAt } from '../tiles.ts'
import type { TileStore } from '../tiles.ts'

/** The last, partial tile of one level. */
interface EdgeTile {
  index: number
  hashes: Uint8Array[]
}

/** Keeps the right edge of the tree in memory: at most 255 hashes a level, and 255 entries. */
export class TileWriter {
  readonly #store: TileStore
  readonly #edges: EdgeTile[]
  #entries: Uint8Array[]
  /** Levels whose right edge differs from the written tiles. */
  readonly #touched = new Set<number>()
  /** Whether there are entries that the written bundle lacks. */
  #hasNewEntries = false
  #size: number

  private constructor(store: TileStore, size: number, edges: EdgeTile[], entries: Uint8Array[]) {
    this.#store = store
    this.#size = size
    this.#edges = edges
    this.#entries = entries
  }

  /**
   * Reads the right edge of the tree of `size` leaves.
   * @throws ERR_AUDIT_LOG tiles are missing or too short
   */
  static async open(store: TileStore, size: number): Promise<TileWriter> {
    const reader = new TileReader(store, size)
    const edges: EdgeTile[] = []
    for (let level = 0, nodes = size; nodes > 0; level++, nodes = Math.floor(nodes / tileWidth)) {
      const index = Math.floor(nodes / tileWidth)
      const width = tileWidthAt(level, index, size)
      const octets = width === 0 ? new Uint8Array() : await reader.tile(level, index)
      const hashes = Array.from({ length: width }, (_, i) => octets.slice(i * 32, (i + 1) * 32))
      edges.push({ index, hashes })
    }
    const last = Math.floor(size / tileWidth)
    const entries = size % tileWidth === 0 ? [] : await reader.entries(last)
    return new TileWriter(
      store,
      size,
      edges,
      entries.map((entry) => Uint8Array.from(entry)),
    )
  }

  /** The number of leaves in the written tiles. */
  get size(): number {
    return this.#size
  }

  /**
   * Writes the tiles that `entries` complete; `writeEdges` writes the partial ones. The same entries always
   * produce the same octets.
   */
  async add(entries: readonly Uint8Array[]): Promise<void> {
    for (const entry of entries) {
      this.#entries.push(entry)
      this.#hasNewEntries = true
      await this.#addHash(0, leafHash(entry))
      this.#size++
      if (this.#entries.length < tileWidth) continue
      await this.#store.write(
        tilePath('entries', Math.floor(this.#size / tileWidth) - 1),
        encodeEntries(this.#entries),
      )
      this.#entries = []
      this.#hasNewEntries = false
    }
  }

  async #addHash(level: number, hash: Uint8Array): Promise<void> {
    const edge = (this.#edges[level] ??= { index: 0, hashes: [] })
    edge.hashes.push(hash)
    this.#touched.add(level)
    if (edge.hashes.length < tileWidth) return
    await this.#store.write(tilePath(level, edge.index), Buffer.concat(edge.hashes))
    const full = edge.hashes
    edge.index++
    edge.hashes = []
    await this.#addHash(level + 1, perfectRoot(full))
  }

  /**
   * Writes the partial tiles at the right edge that have changed, before a checkpoint of this size is signed.
   */
  async writeEdges(): Promise<void> {
    if (this.#hasNewEntries) {
      const path = tilePath('entries', Math.floor(this.#size / tileWidth), this.#entries.length)
      await this.#store.write(path, encodeEntries(this.#entries))
    }
    for (const level of this.#touched) {
      const { index, hashes } = this.#edges[level] as EdgeTile
      if (hashes.length > 0)
        await this.#store.write(tilePath(level, index, hashes.length), Buffer.concat(hashes))
    }
    this.#touched.clear()
    this.#hasNewEntries = false
  }
}

/** The root over 2^n hashes. */
function perfectRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes
  while (row.length > 1) row = parentHashes(row)
  return row[0] as Uint8Array
}
