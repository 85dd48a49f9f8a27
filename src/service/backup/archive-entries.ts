// The content of an archive: a sequence of files, each with its length before it and its SHA-256 after it.

import { createHash } from 'node:crypto'
import type { ArchiveWriter } from './archive-cipher.ts'
import { damaged } from './archive-cipher.ts'

// An entry is: the length of the name in one octet; the name; the length of the content in six octets; the
// content; its SHA-256. A length of 0 in place of a name ends the archive.

/** Adds an entry. The content must have exactly `octets` octets. */
export async function writeEntry(
  writer: ArchiveWriter,
  name: string,
  octets: number,
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const path = Buffer.from(name)
  const length = Buffer.alloc(6)
  length.writeUIntBE(octets, 0, 6)
  await writer.write(Buffer.concat([Buffer.of(path.length), path, length]))
  const hash = createHash('sha256')
  let written = 0
  for await (const part of content) {
    hash.update(part)
    written += part.length
    await writer.write(part)
  }
  if (written !== octets)
    throw damaged(`${name} changed from ${octets} to ${written} octets while it was read`)
  await writer.write(hash.digest())
}

/** Ends the archive. */
export async function writeEnd(writer: ArchiveWriter): Promise<void> {
  await writer.write(Buffer.of(0))
  await writer.end()
}

/** One entry. Its content must be read to the end before the next entry. */
export interface ArchiveEntry {
  readonly name: string
  readonly octets: number
  readonly content: () => AsyncGenerator<Uint8Array>
}

/** The entries of a plaintext. @throws ERR_BACKUP_DAMAGED */
export async function* readEntries(plaintext: AsyncIterable<Buffer>): AsyncGenerator<ArchiveEntry> {
  const source = new Source(plaintext)
  for (let count = 0; ; count++) {
    if (count > maxEntries) throw damaged(`it has more than ${maxEntries} entries`)
    const nameLength = (await source.take(1))[0] as number
    if (nameLength === 0) break
    const name = (await source.take(nameLength)).toString('utf8')
    const octets = (await source.take(6)).readUIntBE(0, 6)
    const progress = { isRead: false }
    yield {
      name,
      octets,
      async *content() {
        const hash = createHash('sha256')
        for (let left = octets; left > 0;) {
          const part = await source.takeSome(left)
          hash.update(part)
          left -= part.length
          yield part
        }
        if (!hash.digest().equals(await source.take(32))) throw damaged(`the checksum of ${name} differs`)
        progress.isRead = true
      },
    }
    if (!progress.isRead) throw damaged(`the content of ${name} was not read`)
  }
  if (!(await source.isEnd())) throw damaged('it has octets after its end')
}

/** All octets of a small entry. @throws ERR_BACKUP_DAMAGED */
export async function contentOf(entry: ArchiveEntry, maxOctets: number): Promise<Buffer> {
  if (entry.octets > maxOctets)
    throw damaged(`${entry.name} has ${entry.octets} octets; the maximum is ${maxOctets}`)
  const parts: Uint8Array[] = []
  for await (const part of entry.content()) parts.push(part)
  return Buffer.concat(parts)
}

class Source {
  readonly #chunks: AsyncIterator<Buffer, unknown>
  #held: Buffer = Buffer.alloc(0)

  constructor(plaintext: AsyncIterable<Buffer>) {
    this.#chunks = plaintext[Symbol.asyncIterator]()
  }

  /** Reads exactly this small number of octets. */
  async take(octets: number): Promise<Buffer> {
    while (this.#held.length < octets) {
      const { value, done } = await this.#chunks.next()
      if (done === true) throw damaged('it ends inside an entry')
      this.#held = Buffer.concat([this.#held, value])
    }
    const taken = this.#held.subarray(0, octets)
    this.#held = this.#held.subarray(octets)
    return taken
  }

  /** Reads at least one octet and at most this many. */
  async takeSome(octets: number): Promise<Buffer> {
    while (this.#held.length === 0)
      this.#held = await this.take(1).then((one) => Buffer.concat([one, this.#held]))
    return this.take(Math.min(octets, this.#held.length))
  }

  async isEnd(): Promise<boolean> {
    if (this.#held.length > 0) return false
    return (await this.#chunks.next()).done === true
  }
}

const maxEntries = 200_000
