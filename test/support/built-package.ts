// The package as somebody installs it: built, below a node_modules of its own, with this repository's
// dependencies around it.

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

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
  /** Runs a file; rejects where it fails. */
  run(
    file: string,
    options?: { readonly env?: NodeJS.ProcessEnv; readonly without?: readonly string[] },
  ): Promise<string>
  dispose(): void
}

export async function userProject(): Promise<UserProject> {
  const cache = join(root, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'user-'))
  const installed = join(folder, 'node_modules/spiffe-pki')
  mkdirSync(installed, { recursive: true })
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  await tsc('-p', join(root, 'tsconfig.build.json'), '--outDir', join(installed, 'dist'))
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  write('package.json', JSON.stringify({ name: 'user', private: true, type: 'module' }))
  write('tsconfig.json', JSON.stringify({ compilerOptions: strict, include: ['*.ts'] }))
  write('without.mjs', withoutPeers)
  return {
    folder,
    write,
    compile: () => tsc('-p', join(folder, 'tsconfig.json')),
    async run(file, { env = {}, without = [] } = {}) {
      const hooks = without.length === 0 ? [] : ['--import', './without.mjs']
      const { stdout } = await run(process.execPath, [...hooks, file], {
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
