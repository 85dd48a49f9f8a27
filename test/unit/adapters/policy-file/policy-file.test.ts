// Policies in files: line and column of each fault, and all or nothing when the file changes.

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openPolicyFile } from '../../../../src/adapters/policy-file/index.ts'
import type { Caller } from '../../../../src/auth/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { SpiffeId } from '../../../../src/spiffe/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { buildCertificateRequest } from '../../../../src/x509/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'policy-'))
afterAll(() => rmSync(folder, { recursive: true }))
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const caller: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')],
  credential: 'x509',
  claims: {},
}

function file(text: string, name = 'policy.yaml'): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const yaml = `# who may have what
trustDomain: example.org
rules:
  - name: services
    identity: /ns/{ns}/sa/{sa}
    maxTtlSeconds: 3600
`

it('reads YAML, and JSON, which YAML includes', async () => {
  await using fromYaml = await openPolicyFile(file(yaml))
  const json = JSON.stringify({
    trustDomain: 'example.org',
    rules: [{ name: 'services', identity: '/ns/{ns}/sa/{sa}', maxTtlSeconds: 3600 }],
  })
  await using fromJson = await openPolicyFile(file(json, 'policy.json'))
  for (const policy of [fromYaml, fromJson])
    expect(await policy.decide({ csr, ttlSeconds: undefined }, caller)).toMatchObject({
      allowed: true,
      rule: 'services',
      content: { maxTtlSeconds: 3600 },
    })
})

it.each([
  [`${yaml}    maxTll: 3\n`, /policy.yaml:7:13: rules\[0\].maxTll: unknown/],
  [yaml.replace('3600', '1h'), /policy.yaml:6:20: rules\[0\].maxTtlSeconds: expected a whole number/],
  [yaml.replace('    identity: /ns/{ns}/sa/{sa}\n', ''), /policy.yaml:4:5: rules\[0\]: identity is missing/],
  [yaml.replace('{sa}', 'x{sa}'), /policy.yaml:5:15: rules\[0\].identity/],
  [`${yaml}trustDomain: other.org\n`, /policy.yaml:7:1: Map keys must be unique/],
  [yaml.replace('rules:', 'rules: ['), /policy.yaml:[0-9]+:[0-9]+: /],
  ['a: &a [x]\nb: *a\n', /policy.yaml:2:4: aliases are not accepted/],
  ['', /policy.yaml:1:1: expected an object, found null/],
  ['!!js/function x', /policy.yaml:1:1: Unresolved tag/],
  [yaml.replace('3600', ''), /rules\[0\].maxTtlSeconds: has no value/],
  [`${yaml}sanKinds: [dns, email]\n`, /policy.yaml:7:17: sanKinds\[1\]: expected dns, ip/],
  [`${yaml}keyAlgorithms:\n  - P-256\n  - P256\n`, /policy.yaml:9:5: keyAlgorithms\[1\]: expected P-256/],
  [`${yaml}minRsaBits: 1024\n`, /policy.yaml:7:13: minRsaBits: expected 2048, 3072 or 4096; found 1024/],
  [`${yaml}keyUsages: [signing]\n`, /policy.yaml:7:13: keyUsages\[0\]: expected digitalSignature/],
  [`${yaml}extendedKeyUsages: [tls]\n`, /policy.yaml:7:21: extendedKeyUsages\[0\]: expected any/],
  [`${yaml}revocation:\n  onRenewal: yes\n`, /policy.yaml:8:14: revocation.onRenewal: expected keep/],
])('%j is refused with its place', async (text, message) => {
  await expect(openPolicyFile(file(text))).rejects.toThrow(message)
  await expect(openPolicyFile(file(text))).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
})

it('is taken as a whole when it changes, or the last one stays', async () => {
  const path = file(yaml)
  const lines: string[] = []
  const none = () => undefined
  const log = (_fields: object, message?: string) => void lines.push(message ?? '')
  const clock = new FakeClock(new Date())
  await using policy = await openPolicyFile(path, {
    clock,
    logger: { debug: none, info: log, warn: log, error: log },
    pollMs: 1000,
  })
  const decide = () => policy.decide({ csr, ttlSeconds: undefined }, caller)
  expect(await policy.reload()).toBe(false)
  file(`${yaml}  - name: broken\n`)
  await expect(policy.reload()).rejects.toThrow(/rules\[1\]: identity is missing/)
  expect(await decide()).toMatchObject({ allowed: true })
  file(`${yaml}  - { name: none, identity: '*', effect: deny }\n`)
  expect(await policy.reload()).toBe(true)
  expect(await decide()).toMatchObject({ allowed: false, rule: 'none' })
  expect(lines).toEqual(['policy loaded'])
})

it('polls, reports a fault once, and stops when it is closed', async () => {
  const path = file(yaml)
  const lines: string[] = []
  let told = (): void => undefined
  const none = () => undefined
  const log = (_fields: object, message?: string) => {
    lines.push(message ?? '')
    told()
  }
  const clock = new FakeClock(new Date())
  const policy = await openPolicyFile(path, {
    clock,
    logger: { debug: none, info: log, warn: log, error: log },
    pollMs: 1000,
  })
  const next = () => new Promise<void>((resolve) => (told = resolve))
  const refused = next()
  file('rules: 1\n')
  clock.advance(1000)
  await refused
  const taken = next()
  file(yaml.replace('3600', '60'))
  // The next poll is armed when the one before has ended.
  await expect.poll(() => (clock.advance(1000), lines.length)).toBe(2)
  await taken
  expect(lines).toEqual(['policy refused; the previous one remains in use', 'policy loaded'])
  await policy[Symbol.asyncDispose]()
})

it('a file that is not there', async () => {
  await expect(openPolicyFile(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'ERR_POLICY_FAILED' })
})

it.each([
  ['[', 20_000],
  ['{a: ', 5000],
  ['- ', 5000],
  ['? ', 5000],
])('%j, %i times, is refused for its depth', async (open, times) => {
  const path = file(open.repeat(times), 'deep.yaml')
  await expect(openPolicyFile(path)).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
  await expect(openPolicyFile(path)).rejects.toThrow(/deep.yaml:1:\d+: nested deeper than 100 levels/)
})

it('reads 20,000 keys of one map in the time of a test', async () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `c${i}: 1`)
  const path = file(
    `${yaml}    requiredClaims:\n${keys.map((key) => `      ${key}\n`).join('')}`,
    'many.yaml',
  )
  await using policy = await openPolicyFile(path)
  expect(await policy.decide({ csr, ttlSeconds: undefined }, caller)).toMatchObject({ allowed: false })
})

it.each(['1: a', 'null: a', '[a]: b', '{a: b}: c', '? |\n  a\n: b\n? |\n  a\n: c'])(
  'a key that is not text, or stands twice: %j',
  async (text) => {
    await expect(openPolicyFile(file(text))).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
  },
)

it('a second document has its place', async () => {
  await expect(openPolicyFile(file(`${yaml}---\ntrustDomain: a\n`))).rejects.toThrow(
    /policy.yaml:8:1: found a second document/,
  )
})

it('a file is measured before it is read', async () => {
  const path = file('', 'large.yaml')
  truncateSync(path, 2 ** 40)
  await expect(openPolicyFile(path)).rejects.toMatchObject({ code: 'ERR_LIMIT_EXCEEDED' })
  for (const other of [folder, '/dev/zero'])
    await expect(openPolicyFile(other)).rejects.toMatchObject({ code: 'ERR_POLICY_FAILED' })
  writeFileSync(path, Uint8Array.of(0x61, 0xff))
  await expect(openPolicyFile(path)).rejects.toMatchObject({ code: 'ERR_POLICY_FAILED' })
})
