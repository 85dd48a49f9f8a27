// Every example runs, is short, and the README's quick start is the first of them.

import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { requires } from '../support/requires.ts'

const folder = fileURLToPath(new URL('../../examples/', import.meta.url))
const examples = readdirSync(folder).filter((name) => /^\d\d-.*\.ts$/.test(name))
const run = promisify(execFile)

describe('examples', () => {
  it.each(examples)('%s has at most 60 lines', (name) => {
    expect(
      readFileSync(folder + name, 'utf8')
        .trimEnd()
        .split('\n').length,
    ).toBeLessThanOrEqual(60)
  })

  it.each(examples.filter((name) => !name.includes('pkcs11') || requires('softhsm')))(
    '%s runs',
    async (name) => {
      const { stdout } = await run(process.execPath, ['--import', 'tsx', folder + name])
      expect(stdout.length).toBeGreaterThan(20)
    },
  )

  it('the main job ends well', async () => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', `${folder}main/start.ts`])
    expect(stdout).toContain('the server said: hello /ns/shop/sa/web, this is /ns/shop/sa/payments')
    expect(stdout).toContain('spiffe://example.org/ns/shop/sa/accounts wanted')
  })

  it.skipIf(!requires('softhsm'))('the main job runs on a token', async () => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', `${folder}main/start.ts`, '--hsm'])
    expect(stdout).toContain('SoftHSM')
  })

  it("the README's quick start is the first example", () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const [, code] = /## Quick start[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme) ?? []
    expect(code?.trim()).toBe(readFileSync(`${folder}01-quick-start.ts`, 'utf8').trim())
  })
})
