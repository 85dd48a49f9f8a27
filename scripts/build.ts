// Builds dist: declarations by tsc; JavaScript by esbuild, one module a face, what faces share in chunks.
// Node 20 takes some 0.4 ms for each module that it loads, and the root alone reaches 150 source files.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { dirname, posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Plugin } from 'esbuild'
import { readArguments } from './command-line.ts'

readArguments({ options: {} }, 'Usage: npm run build     writes dist anew')

const root = fileURLToPath(new URL('..', import.meta.url))
const { dependencies, peerDependencies } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

rmSync(`${root}/dist`, { recursive: true, force: true })
// Types are checked by `npm run types`; isolatedDeclarations makes declarations without it, in a third of the time.
const emit = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--noCheck']
const declarations = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', ...emit], {
  cwd: root,
  stdio: 'inherit',
})
if (declarations.status !== 0) process.exit(declarations.status ?? 1)

/** A file that names another file beside it, as `new URL('./worker.js', import.meta.url)`. */
const fileBeside = /new URL\((['"])\.\/([^'"]+)\1, import\.meta\.url\)/g
const chunks = 'chunks'

/** What names a file beside it ends up in a chunk, and names the file from there. */
const filesBeside: Plugin = {
  name: 'files-beside',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (!/new URL\(/.test(text)) return undefined
      const folder = posix.relative(`${root}src`, dirname(path))
      const moved = `new URL('${posix.relative(chunks, folder)}/$2', import.meta.url)`
      return { contents: text.replace(fileBeside, moved), loader: 'ts' }
    })
  },
}

await build({
  absWorkingDir: root,
  entryPoints: readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `src/${file}`)
    .filter(isEntry),
  outbase: 'src',
  outdir: 'dist',
  chunkNames: `${chunks}/[name]-[hash]`,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: Object.keys({ ...dependencies, ...peerDependencies }),
  plugins: [filesBeside],
  legalComments: 'none',
  logLevel: 'warning',
})

for (const file of readdirSync(`${root}dist`, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.js')) continue
  for (const [, , name] of readFileSync(`${root}dist/${file}`, 'utf8').matchAll(
    /new URL\((['"])(\.[^'"]+)\1, import\.meta\.url\)/g,
  )) {
    if (existsSync(resolve(`${root}dist`, dirname(file), name!))) continue
    console.error(`build: dist/${file} names ${name}, which is not there`)
    process.exitCode = 1
  }
}

/** Faces; what a thread starts from; and what names a file beside it, so that it is always in a chunk. */
function isEntry(file: string): boolean {
  if (/\/index\.ts$/.test(file)) return true
  const text = readFileSync(`${root}${file}`, 'utf8')
  return /\bparentPort\b/.test(text) || text.search(fileBeside) !== -1
}
