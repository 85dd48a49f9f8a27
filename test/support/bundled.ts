// A source file as one JavaScript file, for threads and processes of tests: each would load TypeScript
// anew.

import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Bundles a file of this repository; what it imports from packages stays an import. The bundle is gone at the
 * end of the process.
 */
export function bundled(file: string): URL {
  const folder = mkdtempSync(join(realpathSync(join(root, 'node_modules')), '.cache-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const outfile = join(folder, 'bundle.mjs')
  buildSync({
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
    tsconfigRaw: {},
  })
  return pathToFileURL(outfile)
}

let worker: URL | undefined

/** The thread of a SQLite store, from source. */
export function sqliteWorker(): URL {
  return (worker ??= bundled('src/adapters/sqlite/thread/sqlite-worker.ts'))
}
