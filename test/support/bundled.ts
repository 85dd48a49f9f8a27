// A source file as one JavaScript file, for threads and processes of tests: each would load TypeScript
// anew.

import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, buildSync } from 'esbuild'
import type { BuildOptions, Plugin } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Bundles a file of this repository; what it imports from packages stays an import. The bundle is gone at the
 * end of the process.
 */
export function bundled(file: string): URL {
  const outfile = placeOfBundle()
  buildSync({ ...options(file, outfile), tsconfigRaw: {} })
  return pathToFileURL(outfile)
}

/** The same for a command: it finds the files that it names beside its source, and this package by name. */
export async function bundledCommand(file: string): Promise<URL> {
  const outfile = placeOfBundle()
  await build({ ...options(file, outfile), tsconfig: 'tsconfig.json', plugins: [asIfInPlace] })
  return pathToFileURL(outfile)
}

function placeOfBundle(): string {
  const folder = mkdtempSync(join(realpathSync(join(root, 'node_modules')), '.cache-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'bundle.mjs')
}

const options = (file: string, outfile: string): BuildOptions => ({
  absWorkingDir: root,
  entryPoints: [file],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  // Node 20 has no `await using`.
  target: 'node20',
  packages: 'external',
  logLevel: 'silent',
})

const asIfInPlace: Plugin = {
  name: 'as-if-in-place',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        JSON.stringify(pathToFileURL(path).href),
      ),
      loader: 'ts',
    }))
  },
}

let worker: URL | undefined

/** The thread of a SQLite store, from source. */
export function sqliteWorker(): URL {
  return (worker ??= bundled('src/adapters/sqlite/thread/sqlite-worker.ts'))
}

let cheapScrypt: URL | undefined

/**
 * Options of Node for a process that seals and opens keys quickly; its test imports cheap-scrypt.ts too. A
 * bundle would leave that module out, because this package's modules have no side effects.
 */
export function cheapScryptOptions(): readonly string[] {
  return ['--import', (cheapScrypt ??= bundled('test/support/cheap-scrypt.ts')).href]
}
