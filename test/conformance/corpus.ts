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
export function readDocuments(data: string, folder: string): { readonly name: string; readonly document: Record<string, unknown> }[] {
  const path = join(data, folder)
  if (!existsSync(path)) return []
  const documents = []
  for (const file of readdirSync(path).sort()) {
    if (!/\.json(\.gz)?$/.test(file)) continue
    const bytes = readFileSync(join(path, file))
    const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
    documents.push({ name: basename(file).replace(/\.json(\.gz)?$/, ''), document: JSON.parse(text) as Record<string, unknown> })
  }
  return documents
}

/** The rows under a key of all documents of a folder that have such a list. */
export function readRows<Row>(data: string, folder: string, key: string): Row[] {
  return readDocuments(data, folder).flatMap(({ document }) => (Array.isArray(document[key]) ? (document[key] as Row[]) : []))
}

/** Where the data is: an argument, the environment, or beside the project. */
export function dataFolder(argument?: string): string {
  return argument ?? process.env['SPIFFE_PKI_CONFORMANCE'] ?? '../shared/conformance'
}

export function bytes(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}
