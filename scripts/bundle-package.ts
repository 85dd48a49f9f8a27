// The package as it is published, into any folder: declarations by tsc, JavaScript by esbuild with one module
// per subpath and shared chunks.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Plugin } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const { dependencies, peerDependencies } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

/**
 * Writes the declarations; whether that went well. Types are checked by `npm run types`; isolatedDeclarations
 * makes declarations without it, in a third of the time.
 */
export function writeDeclarations(outDir: string): boolean {
  const emit = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--noCheck', '--outDir', outDir]
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  return spawnSync(process.execPath, [tsc, ...emit], { cwd: root, stdio: 'inherit' }).status === 0
}

/** A file that names another file beside it, as `new URL('./worker.js', import.meta.url)`. */
const fileBeside = /new URL\((['"])\.\/([^'"]+)\1, import\.meta\.url\)/g
// Fewer files load faster: Node 20 takes about 0.4 ms per module, and the root alone reaches 150 source
// files.
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

/** Writes the JavaScript; what it names and did not get, one line each. */
export async function writeBundles(outDir: string): Promise<readonly string[]> {
  await build({
    absWorkingDir: root,
    entryPoints: readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `src/${file}`)
      .filter(isEntry),
    outbase: 'src',
    outdir: outDir,
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
  return readdirSync(outDir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => {
      const named = readFileSync(join(outDir, file), 'utf8').matchAll(
        /new URL\((['"])(\.[^'"]+)\1, import\.meta\.url\)/g,
      )
      return [...named]
        .filter(([, , name]) => !existsSync(resolve(outDir, dirname(file), name!)))
        .map(([, , name]) => `${file} names ${name}, which does not exist`)
    })
}

/** Faces; what a thread starts from; and what names a file beside it, so that it is always in a chunk. */
function isEntry(file: string): boolean {
  if (/\/index\.ts$/.test(file)) return true
  const text = readFileSync(`${root}${file}`, 'utf8')
  return /\bparentPort\b/.test(text) || text.search(fileBeside) !== -1
}
