// What a conformance corpus is to the runner: cases, each a question with one outcome.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** A case: `run` answers whether the input was accepted, or `unsupported`; anything thrown is a crash. */
export interface CorpusCase {
  readonly id: string
  readonly expected: 'accept' | 'reject' | 'either'
  readonly run: () => boolean | 'unsupported' | Promise<boolean | 'unsupported'>
}

export interface Corpus {
  readonly name: string
  readonly cases: readonly CorpusCase[]
  /** The least share of scored cases that must be right. */
  readonly bar: number
}

/** Finds what it knows in the data folder; an absent folder gives no corpus. */
export type CorpusLoader = (data: string) => Corpus[]

/** Every JSON document of a folder, `.json` or `.json.gz`, by file name without these endings. */
export function readDocuments(
  data: string,
  folder: string,
): { readonly name: string; readonly document: Record<string, unknown> }[] {
  const path = join(data, folder)
  if (!existsSync(path)) return []
  const documents = []
  for (const file of readdirSync(path).sort()) {
    if (!/\.json(\.gz)?$/.test(file)) continue
    const document = readDocument(join(path, file))
    if (document !== undefined)
      documents.push({ name: basename(file).replace(/\.json(\.gz)?$/, ''), document })
  }
  return documents
}

/** A file that is no JSON object is not a corpus, whatever its name says. */
function readDocument(path: string): Record<string, unknown> | undefined {
  try {
    const content = readFileSync(path)
    const document = JSON.parse(
      (path.endsWith('.gz') ? gunzipSync(content) : content).toString('utf8'),
    ) as unknown
    return typeof document === 'object' && document !== null
      ? (document as Record<string, unknown>)
      : undefined
  } catch (error) {
    console.warn(`passed over ${path}: ${String(error)}`)
    return undefined
  }
}

/** The rows under a key of all documents of a folder that have such a list. */
export function readRows<Row>(data: string, folder: string, key: string): Row[] {
  return readDocuments(data, folder).flatMap(({ document }) =>
    Array.isArray(document[key]) ? (document[key] as Row[]) : [],
  )
}

/** Where the data is: an argument, the environment, or beside the project. */
export function dataFolder(argument?: string): string {
  return argument ?? process.env['SPIFFE_PKI_CONFORMANCE'] ?? '../shared/conformance'
}

export function bytes(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}
