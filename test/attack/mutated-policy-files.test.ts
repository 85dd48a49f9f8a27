// Policy files, headers and tokens with octets changed, doubled and cut: a PkiError or an answer, within 50
// ms of this process's time. ABUSE_RUNS sets how many of each; 20,000 in all by default.

import { expect, it } from 'vitest'
import { parseAuthorization } from '../../src/adapters/policy-file/authorization-file.ts'
import { parsePolicy } from '../../src/adapters/policy-file/parse-policy.ts'
import { lastXfccElement } from '../../src/auth/xfcc/xfcc-header.ts'
import { readToken } from '../../src/auth/jwt/token.ts'
import { isPkiError } from '../../src/errors/index.ts'

const runs = Number(process.env['ABUSE_RUNS'] ?? 5000)
const maxMs = 50
const options = { workload: { namespace: 'shop', labels: { app: 'a' } }, trustDomain: 'example.org' }
const request = {
  principal: 'spiffe://example.org/ns/web/sa/ui',
  claims: { iss: 'x', sub: 'y', groups: ['a'] },
  method: 'GET',
  path: '/a/b',
  headers: { 'x-role': 'admin' },
  sourceIp: '10.0.0.1',
  destinationPort: 80,
}

const authorization = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  selector: {matchLabels: {app: a}}
  action: DENY
  rules:
  - from: [{source: {principals: ["*/ns/web/sa/ui"], notIpBlocks: ["10.0.0.0/8"]}}]
    to: [{operation: {hosts: ["a*"], paths: ["/a/{*}", "/b/{**}"], ports: ["80"]}}]
    when:
    - {key: "request.auth.claims[groups]", values: ["a"]}
    - {key: source.ip, notValues: [10.0.0.1]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: q, namespace: shop}
spec: {selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}
`
const issuance = `trustDomain: example.org
aliases: [old.example]
rules:
  - name: services
    identity: /ns/{ns}/sa/{sa}
    dnsNames: ['{sa}.{ns}.svc.cluster.local']
    networks: [10.0.0.0/8]
    requiredClaims: {a: [1, true, "x"]}
    during: [{days: [mon], from: "08:00", to: "18:00", timeZone: Europe/Berlin}]
    rateLimit: {per: source, count: 5, windowSeconds: 60}
`
const xfcc =
  'By=spiffe://a/b;Hash=00ff;Subject="CN=\\"x\\",O=y";URI=spiffe://a/c;DNS=x,' +
  'By=spiffe://d/e;URI="spiffe://a/f"'
const base64url = (text: string): string => Buffer.from(text).toString('base64url')
const token = [
  base64url('{"alg":"ES256","kid":"k"}'),
  base64url('{"iss":"a","sub":"b","aud":["c",null],"exp":1,"n":{"m":[1]}}'),
  'A'.repeat(86),
].join('.')

/** The same changes for the same seed. */
function mutations(seed: number): (text: string) => string {
  let state = seed
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const pieces = [
    '{',
    '[',
    ']',
    '}',
    ':',
    ',',
    '"',
    "'",
    '*',
    '&a',
    '- ',
    '\n',
    '  ',
    '\0',
    '?',
    '|',
    '>',
    '%',
    '#',
    '\\',
    '=',
    ';',
    '.',
    '__proto__',
    'null',
    '~',
    '1e999',
    '\u2028',
    '\ud800',
    '<<: *a',
    '!!binary ',
    '{**}',
    '9'.repeat(40),
  ]
  return (text) => {
    let changed = text
    for (let i = next(6) + 1; i > 0; i--) {
      const at = next(changed.length + 1)
      const piece = pieces[next(pieces.length)] as string
      const kind = next(6)
      if (kind === 0) changed = changed.slice(0, at) + piece + changed.slice(at)
      else if (kind === 1) changed = changed.slice(0, at) + piece.repeat(next(200)) + changed.slice(at)
      else if (kind === 2) changed = changed.slice(0, at) + changed.slice(at + next(20))
      else if (kind === 3) changed = changed.slice(0, at) + piece + changed.slice(at + 1)
      else if (kind === 4)
        changed = changed.slice(0, at) + changed.slice(next(at + 1), at) + changed.slice(at)
      else changed = changed.slice(0, at)
    }
    return changed
  }
}

async function abuse(
  text: string,
  take: (text: string) => unknown,
): Promise<{ taken: number; refused: number }> {
  const mutate = mutations(7)
  const counted = { taken: 0, refused: 0 }
  const run = async (changed: string): Promise<number> => {
    const before = process.cpuUsage()
    try {
      await take(changed)
      counted.taken++
    } catch (error) {
      if (!isPkiError(error)) throw new Error(`uncaught for ${JSON.stringify(changed)}`, { cause: error })
      counted.refused++
    }
    return process.cpuUsage(before).user / 1000
  }
  for (let i = 0; i < runs; i++) {
    const changed = mutate(text)
    // What is slow twice is slow by itself, and not by a collection of garbage.
    if ((await run(changed)) > maxMs && (await run(changed)) > maxMs)
      throw new Error(`more than ${maxMs} ms for ${JSON.stringify(changed)}`)
  }
  return counted
}

const minutes = 10 * 60_000
it.each([
  [
    'AuthorizationPolicy',
    authorization,
    async (text: string) => (await parseAuthorization(text, 'f', options)).decide(request),
  ],
  ['issuance policy', issuance, (text: string) => parsePolicy(text, 'f')],
  ['x-forwarded-client-cert', xfcc, (text: string) => lastXfccElement(text)],
  ['token', token, (text: string) => readToken(text)],
])(
  '%s',
  async (_, text, take) => {
    const { taken, refused } = await abuse(text, take)
    expect(taken).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
  },
  minutes,
)
