// The commands, as somebody meets them who mistypes: plain words, what to do, an exit code, and no stack.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { bundled, bundledCommand } from '../support/bundled.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'commands-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const start = 'examples/main/start.ts'
const conformance = 'test/conformance/run.ts'
const fuzz = 'test/fuzz/run.ts'
const bench = 'bench/run.ts'
const differential = 'test/differential/run.ts'
const errorsPage = 'scripts/errors-page.ts'
const importTime = 'scripts/import-time.ts'

const bundles = new Map<string, URL>()
beforeAll(async () => {
  for (const file of [start, conformance, fuzz, bench, differential, errorsPage, importTime])
    bundles.set(file, await bundledCommand(file))
}, 180_000)

// Starts with this derive keys from passphrases at no cost.
const cheapScrypt = bundled('test/support/cheap-scrypt.ts').href

function command(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { status: number | null; stdout: string; stderr: string } {
  const { SPIFFE_PKI_CONFORMANCE: _, ...rest } = process.env
  return spawnSync(process.execPath, ['--import', cheapScrypt, fileURLToPath(bundles.get(file)!), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...rest, ...env },
  })
}

/** The same in this process: a mistake ends at once. */
async function commandHere(
  file: string,
  args: readonly string[],
): Promise<{ status: number; stdout: string; stderr: string }> {
  const { argv, exitCode } = process
  const written = { log: '', error: '' }
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((line) => void (written.log += `${line}\n`)),
    vi.spyOn(console, 'error').mockImplementation((line) => void (written.error += `${line}\n`)),
    vi.spyOn(process, 'exit').mockImplementation((status) => {
      throw new Exit(Number(status))
    }),
  ]
  vi.stubEnv('SPIFFE_PKI_CONFORMANCE', undefined)
  process.argv = [process.execPath, file, ...args]
  try {
    await import(`${bundles.get(file)!.href}?${runs++}`)
    throw new Error(`${file} ${args.join(' ')} did not end the process`)
  } catch (error) {
    if (!(error instanceof Exit)) throw error
    return { status: error.status, stdout: written.log, stderr: written.error }
  } finally {
    process.argv = argv
    process.exitCode = exitCode
    vi.unstubAllEnvs()
    for (const spy of spies) spy.mockRestore()
  }
}

let runs = 0

class Exit extends Error {
  readonly status: number
  constructor(status: number) {
    super(`exit ${status}`)
    this.status = status
  }
}

describe('a mistake', () => {
  it.each([
    [start, ['--hms'], "Unknown option '--hms'"],
    [start, ['now'], "Unexpected argument 'now'"],
    [conformance, ['--dta', 'x'], "Unknown option '--dta'"],
    [conformance, ['--data', join(folder, 'absent')], `There is no folder ${join(folder, 'absent')}`],
    [conformance, ['--data', 'README.md'], 'is a file; expected the folder of the corpora'],
    [conformance, ['--data', folder], `Nothing was run: there is no corpus in ${folder}`],
    [conformance, ['--json', join(folder, 'absent', 'results.json')], 'make it first'],
    [fuzz, ['certificat'], 'No target is called "certificat"'],
    [fuzz, ['spiffe-id', 'certificat'], 'No target is called "certificat"'],
    [fuzz, ['spiffe-id', '--runs', 'many'], '--runs many: expected a whole number from 1'],
    [fuzz, ['spiffe-id', '--runs', '10', '--seed', 'abc'], '--seed abc: expected a whole number from 0'],
    [bench, ['--jsno', 'x'], "Unknown option '--jsno'"],
    [bench, ['issue', 'parse'], 'One filter at a time'],
    [bench, ['issue', '--peer', 'rust'], 'the only peer by option is go'],
    [bench, ['issue', '--node', 'latest'], '--node latest: expected the number of a major version'],
    [bench, ['no-such-row'], 'No row has "no-such-row" in its name. The rows: parse/leaf'],
    [bench, ['spiffe-id', '--json', folder], 'this is a folder; name a file in it'],
    [fuzz, ['spiffe-id', '--runs', '-1'], '--runs has no value after it'],
    [fuzz, ['spiffe-id', '--seed'], '--seed has no value after it'],
    [start, ['--policy', 'p.yaml', '--data', folder], '--policy and --data exclude each other'],
    [start, ['--mesh', '--policy', 'p.yaml'], '--policy and --mesh exclude each other'],
    [start, ['--mesh', '--serve'], '--mesh and --serve exclude each other'],
    [start, ['--data', folder, '--hsm'], '--data and --hsm exclude each other'],
    [start, ['--data='], '--data has no value after it'],
    [start, ['--hsm=yes'], "Option '--hsm' does not take an argument"],
    [errorsPage, ['--check'], "Unknown option '--check'"],
    [importTime, ['twice'], "Unexpected argument 'twice'"],
    [differential, ['--runs', '0'], '--runs 0: expected a whole number from 1'],
  ])('%s %j', async (file, args, words) => {
    const { status, stderr } = await commandHere(file, args)
    expect(stderr).toContain(words)
    expect(stderr).toContain('Usage: np')
    expect(stderr).not.toMatch(/^ {4}at /m)
    expect(status).toBe(2)
  })

  it('npm start -- --hsm with a library that is not there says so', () => {
    const { status, stderr } = command(start, ['--hsm'], { SOFTHSM2_MODULE: join(folder, 'libsofthsm2.so') })
    expect(stderr).toContain('SOFTHSM2_MODULE names')
    expect(stderr).not.toMatch(/^ {4}at /m)
    expect(status).toBe(1)
  })
})

describe('a CA that does not start', () => {
  it('says why, by which code, and where the advice is, and nothing of options', () => {
    const file = join(folder, 'a-file')
    writeFileSync(file, '')
    const { status, stderr } = command(start, ['--data', file], {
      CA_PASSPHRASE: 'a passphrase for this test',
    })
    expect(stderr).toContain(file)
    expect(stderr).toContain('ERR_STORE_UNAVAILABLE: what to do is in docs/errors.md')
    expect(stderr).not.toMatch(/Usage|^ {4}at /m)
    expect(status).toBe(1)
  })
})

describe('what is asked for', () => {
  it.each([start, conformance, fuzz, bench, differential, errorsPage, importTime])(
    '%s --help shows the usage',
    async (file) => {
      const { status, stdout } = await commandHere(file, ['--help'])
      expect(stdout).toContain('Usage: np')
      expect(status).toBe(0)
    },
  )

  it('npm run bench -- spiffe-id --json FILE writes machine, versions and ratios', () => {
    const file = join(folder, 'bench.json')
    expect(command(bench, ['spiffe-id', '--short', '--json', file]).status).toBe(0)
    const report = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    expect(report).toMatchObject({
      machine: expect.any(String),
      node: process.versions.node,
      openssl: process.versions.openssl,
      rows: [{ name: 'spiffe-id/parse', medianUs: expect.any(Number), ratios: expect.any(Object) }],
    })
  })

  it('npm start -- --data keeps the CA, and says what it needs for that', () => {
    const data = join(folder, 'ca')
    const without = command(start, ['--data', data], { CA_PASSPHRASE: '' })
    expect([without.status, without.stderr]).toEqual([1, expect.stringContaining('CA_PASSPHRASE')])
    const env = { CA_PASSPHRASE: 'a passphrase for this test' }
    const [first, second] = [command(start, ['--data', data], env), command(start, ['--data', data], env)]
    expect([first.status, second.status]).toEqual([0, 0])
    const rootOf = (text: string): string | undefined =>
      /root, the anchor[\s\S]*?serial +(\w+)/.exec(text)?.[1]
    expect(rootOf(first.stdout)).toBeDefined()
    expect(rootOf(second.stdout)).toBe(rootOf(first.stdout))
    expect(first.stdout).not.toContain('certificates on record')
    expect(second.stdout).toContain('certificates on record: 3')
  })

  it('npm start -- --serve runs until it is told to stop, and then ends well', async () => {
    const child = spawn(process.execPath, [fileURLToPath(bundles.get(start)!), '--serve'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let shown = ''
    for await (const part of child.stdout.setEncoding('utf8')) {
      shown += String(part)
      if (shown.includes('Running until Ctrl-C') && !child.killed) child.kill('SIGTERM')
    }
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode]
    expect(code).toBe(0)
    expect(shown).toContain('Stopped.')
  })
})
