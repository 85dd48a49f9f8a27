// Tiles (C2SP tlog-tiles): files of 256 hashes or entries with paths that never change.

import { PkiError } from '../errors/index.ts'
import { hashLength, parentHashes } from './merkle-tree.ts'
import type { SubtreeReader } from './merkle-tree.ts'

/** Hashes or entries in a full tile. */
export const tileWidth = 256
/** Levels of the tree in one level of tiles. */
const tileHeight = 8
/** The longest entry: its length is written in two octets. */
export const maxEntryBytes = 65_535

/**
 * Storage for tiles, entry bundles and the checkpoint: a directory, an object store or a web server. Users
 * implement it. Paths are those of tlog-tiles: `checkpoint`, `tile/0/x001/067`, `tile/entries/000.p/12`.
 */
export interface TileStore {
  /** Undefined if nothing was written at this path. */
  read(path: string): Promise<Uint8Array | undefined>
  /**
   * Replaces the whole file atomically and durably: after a crash the file has its old or its new content.
   */
  write(path: string, octets: Uint8Array): Promise<void>
}

/**
 * The path of a tile of hashes, or with `entries` of a bundle of entries;
 * `width` below 256 for a partial one.
 */
export function tilePath(level: number | 'entries', index: number, width: number = tileWidth): string {
  let name = String(index % 1000).padStart(3, '0')
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    name = `x${String(rest % 1000).padStart(3, '0')}/${name}`
  return `tile/${level}/${name}${width < tileWidth ? `.p/${width}` : ''}`
}

/** How many hashes or entries the tile has in a tree of `size` leaves. */
export function tileWidthAt(level: number, index: number, size: number): number {
  const nodes = Math.floor(size / tileWidth ** level)
  return Math.max(0, Math.min(tileWidth, nodes - index * tileWidth))
}

/** A bundle: each entry after its length in two octets. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const entry of entries) {
    if (entry.length > maxEntryBytes)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `an audit entry has ${entry.length} octets; the maximum is ${maxEntryBytes}`,
      )
    parts.push(Uint8Array.of(entry.length >> 8, entry.length & 255), entry)
  }
  return Buffer.concat(parts)
}

/** The entries of a bundle. @throws ERR_AUDIT_LOG not exactly `width` entries */
export function decodeEntries(bundle: Uint8Array, width: number, path: string): Uint8Array[] {
  const entries: Uint8Array[] = []
  let at = 0
  while (at + 2 <= bundle.length && entries.length < width) {
    const end = at + 2 + (bundle[at] as number) * 256 + (bundle[at + 1] as number)
    if (end > bundle.length) break
    entries.push(bundle.subarray(at + 2, end))
    at = end
  }
  if (entries.length !== width || at !== bundle.length)
    throw new PkiError(
      'ERR_AUDIT_LOG',
      `${path}: expected ${width} whole entries, found ${entries.length} and ${bundle.length - at} ` +
        'further octets',
    )
  return entries
}

/**
 * Reads hashes of a tree of `size` leaves from its tiles. The full tile is read if the partial one was
 * removed.
 */
export class TileReader {
  readonly #store: Pick<TileStore, 'read'>
  readonly #size: number
  /** The tiles of one proof have few paths. */
  readonly #tiles = new Map<string, Uint8Array>()

  constructor(store: Pick<TileStore, 'read'>, size: number) {
    this.#store = store
    this.#size = size
  }

  readonly subtree: SubtreeReader = async (level, index) => {
    const tileLevel = Math.floor(level / tileHeight)
    const span = 2 ** (level - tileLevel * tileHeight)
    const first = index * span
    const tile = await this.tile(tileLevel, Math.floor(first / tileWidth))
    const start = first % tileWidth
    let hashes: Uint8Array[] = []
    for (let i = start; i < start + span; i++)
      hashes.push(tile.subarray(i * hashLength, (i + 1) * hashLength))
    while (hashes.length > 1) hashes = parentHashes(hashes)
    return hashes[0] as Uint8Array
  }

  /** All hashes of one tile in the tree. @throws ERR_AUDIT_LOG missing or too short */
  async tile(level: number, index: number): Promise<Uint8Array> {
    const width = tileWidthAt(level, index, this.#size)
    const path = tilePath(level, index, width)
    const known = this.#tiles.get(path)
    if (known !== undefined) return known
    const octets = await this.#readEither(path, tilePath(level, index))
    if (octets.length < width * hashLength || octets.length % hashLength !== 0)
      throw new PkiError('ERR_AUDIT_LOG', `${path}: expected ${width} hashes, found ${octets.length} octets`)
    if (this.#tiles.size >= 64) this.#tiles.clear()
    const tile = octets.subarray(0, width * hashLength)
    this.#tiles.set(path, tile)
    return tile
  }

  /** All entries of one bundle in the tree. @throws ERR_AUDIT_LOG missing or malformed */
  async entries(index: number): Promise<Uint8Array[]> {
    const width = tileWidthAt(0, index, this.#size)
    const path = tilePath('entries', index, width)
    const partial = await this.#store.read(path)
    if (partial !== undefined) return decodeEntries(partial, width, path)
    const full = await this.#readEither(path, tilePath('entries', index))
    return decodeEntries(full, tileWidth, path).slice(0, width)
  }

  async #readEither(path: string, full: string): Promise<Uint8Array> {
    const octets =
      (await this.#store.read(path)) ?? (path === full ? undefined : await this.#store.read(full))
    if (octets === undefined) throw new PkiError('ERR_AUDIT_LOG', `${path} is missing`)
    return octets
  }
}
