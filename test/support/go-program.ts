// Counterparts that are built from Go modules: once for each state of their sources, into a cache folder
// outside the clone.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** How a program is built. */
export interface GoProgramOptions {
  /** The package to build. Default: the module itself. */
  readonly target?: string
  /** Whether C code belongs to it. Default: false. */
  readonly cgo?: boolean
  /** Whether building takes minutes: only `npm run test:heavy` does it. Default: false. */
  readonly isHeavy?: boolean
}

/** The Go module in `test/interop/NAME`, and the program that is built from it. */
export class GoProgram {
  readonly #name: string
  readonly #options: GoProgramOptions
  readonly #sources: string
  readonly #binary: string

  constructor(name: string, options: GoProgramOptions = {}) {
    this.#name = name
    this.#options = options
    this.#sources = fileURLToPath(new URL(`../interop/${name}/`, import.meta.url))
    const digest = createHash('sha256').update(JSON.stringify(options))
    for (const file of readdirSync(this.#sources).sort())
      digest.update(file).update(readFileSync(join(this.#sources, file)))
    const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'spiffe-pki')
    this.#binary = join(cache, `${name}-${digest.digest('hex').slice(0, 16)}`)
  }

  /**
   * For `describe.skipIf(!program.isAvailable)`: whether it is built, or may be built in this run. If not:
   * prints one line.
   */
  get isAvailable(): boolean {
    if (existsSync(this.#binary) || this.#options.isHeavy !== true) return true
    if (process.env['SPIFFE_PKI_HEAVY'] === '1') return true
    console.log(`left out: ${this.#name} is not built; npm run test:heavy builds it, which takes minutes`)
    return false
  }

  /** The path of the program; for `beforeAll`, with a limit of 30 minutes where it is heavy. */
  async build(): Promise<string> {
    if (existsSync(this.#binary)) return this.#binary
    mkdirSync(join(this.#binary, '..'), { recursive: true })
    const env = { ...process.env, CGO_ENABLED: this.#options.cgo === true ? '1' : '0' }
    // A build that is stopped leaves no program that looks whole.
    const unfinished = `${this.#binary}.${process.pid}`
    const args = ['build', '-trimpath', '-ldflags=-s -w', '-o', unfinished, this.#options.target ?? '.']
    await promisify(execFile)('go', args, { cwd: this.#sources, env, maxBuffer: 64 * 1024 * 1024 })
    renameSync(unfinished, this.#binary)
    return this.#binary
  }
}
