// The package as somebody installs it: built, below a node_modules of its own, with this repository's
// dependencies around it.

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { transformSync } from 'esbuild'
import { writeBundles, writeDeclarations } from '../../scripts/bundle-package.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/** A folder of a user of the package. */
export interface UserProject {
  readonly folder: string
  /** Writes a file there. */
  write(name: string, text: string): void
  /**
   * Compiles every `.ts` file as a strict ESM service does; the compiler's complaints, or nothing. Libraries'
   * types are checked too.
   */
  compile(): Promise<string>
  /**
   * Writes every TypeScript file of a folder of this repository there, as JavaScript of the same path: a
   * start of Node costs a tenth of one with a loader for TypeScript and the sources of the package.
   */
  copyScripts(...folders: readonly string[]): void
  /** What Node is given to run a file of this folder, where a password's key derivation costs nothing. */
  readonly nodeArguments: readonly string[]
  /** Runs a file; rejects where it fails. */
  run(
    file: string,
    options?: { readonly env?: NodeJS.ProcessEnv; readonly without?: readonly string[] },
  ): Promise<string>
  dispose(): void
}

/** Without `declarations`, only for what runs. */
export async function userProject({
  declarations = true,
}: { readonly declarations?: boolean } = {}): Promise<UserProject> {
  const cache = join(root, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'user-'))
  const installed = join(folder, 'node_modules/spiffe-pki')
  mkdirSync(installed, { recursive: true })
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  const dist = join(installed, 'dist')
  const faults = await writeBundles(dist)
  if (faults.length > 0 || (declarations && !writeDeclarations(dist)))
    throw new Error(`the package was not built: ${faults.join('; ')}`)
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  const writeScript = (file: string, name: string): void =>
    write(name, javaScriptOf(readFileSync(join(root, file), 'utf8')))
  write('package.json', JSON.stringify({ name: 'user', private: true, type: 'module' }))
  write('tsconfig.json', JSON.stringify({ compilerOptions: strict, include: ['*.ts'] }))
  write('without.mjs', withoutPeers)
  writeScript('test/support/cheap-scrypt.ts', 'cheap-scrypt.js')
  const nodeArguments = ['--import', join(folder, 'cheap-scrypt.js')]
  return {
    folder,
    write,
    compile: () => tsc('-p', join(folder, 'tsconfig.json')),
    copyScripts(...folders) {
      for (const name of folders)
        for (const file of readdirSync(join(root, name), { recursive: true, encoding: 'utf8' }))
          if (file.endsWith('.ts')) writeScript(`${name}/${file}`, `${name}/${file.replace(/\.ts$/, '.js')}`)
    },
    nodeArguments,
    async run(file, { env = {}, without = [] } = {}) {
      const hooks = without.length === 0 ? [] : ['--import', './without.mjs']
      const { stdout } = await run(process.execPath, [...nodeArguments, ...hooks, file], {
        cwd: folder,
        env: { ...process.env, ...env, WITHOUT: without.join(' ') },
      })
      return stdout
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function tsc(...args: string[]): Promise<string> {
  const result = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args]).catch(
    (error: unknown) => error as { readonly stdout: string },
  )
  return result.stdout
}

/** One file, whose imports name JavaScript. Node 20 has no `await using`. */
function javaScriptOf(text: string): string {
  const { code } = transformSync(text, { loader: 'ts', format: 'esm', target: 'node20.19' })
  return code.replace(/(\bfrom |\bimport\(|\bimport )"(\.[^"]+)\.ts"/g, '$1"$2.js"')
}

const strict = {
  target: 'es2022',
  module: 'nodenext',
  types: ['node'],
  outDir: 'out',
  rootDir: '.',
  skipLibCheck: false,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitReturns: true,
  verbatimModuleSyntax: true,
}

/** As if a package were not installed. */
const withoutPeers =
  `import { register } from 'node:module'
const hooks = \`export async function resolve(specifier, context, next) {
  if (process.env.WITHOUT.split(' ').includes(specifier)) throw Object.assign(new Error('Cannot ` +
  `find package ' + specifier), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(specifier, context)
}\`
register('data:text/javascript,' + encodeURIComponent(hooks))
`
