// Loads TypeScript as the build emits it: without the calls that tsx adds so that functions keep their names,
// some of which would run for every certificate.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'

export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context)
  const { code } = await transform(await readFile(fileURLToPath(url), 'utf8'), {
    loader: 'ts',
    format: 'esm',
    // Node 20 has no `await using`.
    target: 'node20',
  })
  return { format: 'module', source: code, shortCircuit: true }
}
