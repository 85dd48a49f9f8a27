// Istio's YAML from a file: the place of each fault, lists, and all or nothing when it changes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openAuthorizationFile } from '../../../../src/adapters/policy-file/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'authorization-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(text: string): string {
  const path = join(folder, 'mesh.yaml')
  writeFileSync(path, text)
  return path
}
const options = {
  workload: { namespace: 'shop', labels: { app: 'orders' } },
  trustDomain: 'example.org',
  pollMs: 0,
}
const yaml = `# who may call orders
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: readers
  namespace: shop
  creationTimestamp: null
spec:
  selector:
    matchLabels:
      app: orders
  rules:
  - from:
    - source:
        namespaces: ["web"]
    to:
    - operation:
        methods: ["GET"]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec:
  mtls:
    mode: STRICT
---
# nothing here
`
const caller = { principal: 'spiffe://example.org/ns/web/sa/ui', method: 'GET', path: '/' }

it('reads documents, and decides', async () => {
  await using mesh = await openAuthorizationFile(file(yaml), options)
  expect(mesh.decide(caller)).toMatchObject({ allowed: true, rule: 'shop/readers[0]' })
  expect(mesh.decide({ ...caller, method: 'PUT' })).toMatchObject({ allowed: false, rule: 'no-allow-rule' })
  expect(mesh.decide({ method: 'GET' })).toMatchObject({ allowed: false, rule: 'istio-system/default' })
  expect(mesh.mutualTls(8080)).toEqual({ mode: 'STRICT', rule: 'istio-system/default' })
})

it('reads a list as kubectl prints it', async () => {
  const policy = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'none', namespace: 'shop', uid: 'x', resourceVersion: '1', generation: 2 },
    spec: {},
  }
  const list = { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: [policy] }
  await using mesh = await openAuthorizationFile(file(JSON.stringify(list)), options)
  expect(mesh.decide(caller).allowed).toBe(false)
})

it.each([
  [yaml.replace('methods', 'method'), /mesh.yaml:18:17: spec.rules\[0\].to\[0\].operation.method: unknown/],
  [yaml.replace('STRICT', 'strict'), /mesh.yaml:25:11: spec.mtls.mode: expected STRICT/],
  [
    yaml.replace('["web"]', '[]'),
    /mesh.yaml:15:21: spec.rules\[0\].from\[0\].source.namespaces: is an empty/,
  ],
  [yaml.replace('AuthorizationPolicy', 'Gateway'), /mesh.yaml:3:7: kind/],
  [yaml.replace('# nothing here', 'x'), /mesh.yaml:27:1: expected an object/],
  ['apiVersion: v1\nkind: List\nitems: 7\n', /mesh.yaml:3:8: items: expected a list/],
  ['apiVersion: v1\nkind: List\nitems: []\nextra: 1\n', /mesh.yaml:4:8: extra: unknown/],
])('a fault has its place %#', async (text, message) => {
  const opened = openAuthorizationFile(file(text), options)
  await expect(opened).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
  await expect(opened).rejects.toThrow(message)
})

it('a changed file is taken as a whole, or the last one stays', async () => {
  const clock = new FakeClock(new Date('2026-11-30'))
  const lines: string[] = []
  const log = (_: unknown, message?: string): void => void lines.push(message ?? '')
  const logger = { debug: log, info: log, warn: log, error: log }
  const path = file(yaml)
  const aliases = new Set(['old.example']).values()
  await using mesh = await openAuthorizationFile(path, { ...options, pollMs: 1000, clock, logger, aliases })
  file(yaml.replace('STRICT', 'NO'))
  await expect(mesh.reload()).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
  expect(mesh.decide(caller).allowed).toBe(true)
  file(yaml.replace('"web"', '"jobs"'))
  expect(await mesh.reload()).toBe(true)
  expect(mesh.decide(caller).allowed).toBe(false)
  // The aliases count after a reload too.
  const old = { ...caller, principal: 'spiffe://old.example/ns/jobs/sa/x' }
  expect(mesh.decide(old).allowed).toBe(true)
  expect(lines).toEqual(['policy loaded'])
})
