// policy/…: decisions over many rules, the header of proxies, and rate limits.

import { RateLimiter } from '../src/policy/rules/rate-limiter.ts'
import { lastXfccElement } from '../src/auth/xfcc/xfcc-header.ts'
import type { Caller } from '../src/auth/index.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import { Authorizer, createRulePolicy } from '../src/policy/index.ts'
import type { IssuancePolicy, PolicyRequest } from '../src/policy/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { buildCertificateRequest } from '../src/x509/index.ts'
import { measureCpuTurns } from './cpu-turns.ts'
import type { BenchRow, SelfMeasuredRow } from './row.ts'

const count = 200
const trustDomain = 'example.org'
/** What is decided goes here, so that deciding cannot be left out. */
export let sink = 0

function issuancePolicy(rules: number): IssuancePolicy {
  const made = Array.from({ length: rules }, (_, i) => ({ name: `r${i}`, identity: `/ns/n${i}/sa/{sa}` }))
  return createRulePolicy({ trustDomain, rules: made })
}

function authorizerOf(rules: number): Authorizer {
  const made = Array.from({ length: rules }, (_, i) => ({
    from: [{ source: { principals: [`${trustDomain}/ns/n${i}/sa/a`] } }],
    to: [{ operation: { methods: ['GET'], paths: [`/p${i}/*`] } }],
  }))
  const head = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' }
  const policy = { ...head, metadata: { name: 'p', namespace: 'shop' }, spec: { rules: made } }
  return new Authorizer([policy], { workload: { namespace: 'shop', labels: {} }, trustDomain })
}

const caller: Caller = {
  identities: [SpiffeId.parse(`spiffe://${trustDomain}/ns/n50/sa/a`)],
  credential: 'x509',
  claims: {},
}
let request: PolicyRequest
const policies = new Map<number, IssuancePolicy>()
const authorizers = new Map<number, Authorizer>()
const asked = { principal: caller.identities[0] as SpiffeId, method: 'GET', path: '/p50/x' }
const decide = (rules: number) => (): void => {
  const policy = policies.get(rules) as IssuancePolicy
  for (let i = 0; i < count; i++) if ('allowed' in policy.decide(request, caller)) sink++
}
const authorize = (rules: number) => (): void => {
  const authorizer = authorizers.get(rules) as Authorizer
  for (let i = 0; i < count; i++) if (authorizer.decide(asked).allowed) sink++
}

const element =
  `By=spiffe://example.org/ns/ingress/sa/gateway;Hash=${'0a'.repeat(32)};` +
  `Subject="CN=client,O=x";URI=spiffe://example.org/ns/web/sa/ui`
const sixteen = Array.from({ length: 16 }, () => element).join(',')
const longValue = element.replace('CN=client', 'CN=client'.padEnd(15 * element.length, 'x'))

const million = 1_000_000
const [perHeader, sixteenTimes] = ['µs of CPU time a header', 'times as long for 16 times the size']
const perDecision = 'µs of CPU time a decision'
const readXfcc = (header: string) => (): void => {
  for (let i = 0; i < count; i++) sink += lastXfccElement(header).uri.length
}

export const rows: readonly (BenchRow | SelfMeasuredRow)[] = [
  {
    name: 'policy/decide-10000',
    operations: count,
    goals: { '100 rules': 0.5 },
    setup: async () => {
      const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
      request = { csr, ttlSeconds: 3600, dryRun: true }
      for (const rules of [100, 10_000]) policies.set(rules, issuancePolicy(rules))
    },
    ours: decide(10_000),
    peers: { '100 rules': decide(100) },
  },
  {
    name: 'policy/authorize-10000',
    operations: count,
    goals: { '100 rules': 0.5 },
    setup: () => {
      for (const rules of [100, 10_000]) authorizers.set(rules, authorizerOf(rules))
      return Promise.resolve()
    },
    ours: authorize(10_000),
    peers: { '100 rules': authorize(100) },
  },
  {
    name: 'policy/xfcc',
    limits: { [perHeader]: 2, [sixteenTimes]: 20 },
    measure: (options) =>
      measureCpuTurns(
        {
          name: 'policy/xfcc',
          operations: count,
          calls: Math.ceil(options.turnMs / 2),
          ours: readXfcc(element),
          peers: { '16 elements': readXfcc(sixteen), 'a value of 16 times the size': readXfcc(longValue) },
          extra: (medians) => ({
            [perHeader]: medians['ours']!,
            [sixteenTimes]:
              Math.max(medians['16 elements']!, medians['a value of 16 times the size']!) / medians['ours']!,
          }),
        },
        options,
      ),
  },
  {
    name: 'policy/rate-limit-1000000',
    bars: { 'Map#get': 0.5 },
    goals: { [perDecision]: 1 },
    measure: (options) => {
      const limiter = new RateLimiter({ count: 5, windowSeconds: 3600 })
      const names = Array.from({ length: million }, (_, i) => `spiffe://${trustDomain}/w/${i}`)
      for (const name of names) limiter.take(name, 1)
      const map = new Map(names.map((name, i) => [name, i]))
      let next = 0
      const each = (decideOf: (name: string) => number) => (): void => {
        for (let i = 0; i < count; i++) sink += decideOf(names[(next += 7919) % million] as string)
      }
      return measureCpuTurns(
        {
          name: 'policy/rate-limit-1000000',
          operations: count,
          calls: options.turnMs * 2,
          ours: each((name) => limiter.take(name, 2)),
          peers: { 'Map#get': each((name) => map.get(name) ?? 0) },
          extra: (medians) => ({ [perDecision]: medians['ours']! }),
        },
        options,
      )
    },
  },
]
