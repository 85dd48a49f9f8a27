// Policy files with octets changed, doubled and cut: a PkiError or a result, within 50 ms of CPU time.

import { it } from 'vitest'
import { parseAuthorization } from '../../src/adapters/policy-file/authorization-file.ts'
import { parsePolicy } from '../../src/adapters/policy-file/parse-policy.ts'
import { campaignMs, expectAbused } from '../support/abuse.ts'

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

it.each([
  [
    'AuthorizationPolicy',
    authorization,
    async (text: string) => (await parseAuthorization(text, 'f', options)).decide(request),
  ],
  ['issuance policy', issuance, (text: string) => parsePolicy(text, 'f')],
])('%s', (name, text, take) => expectAbused(name, text, take, 0.1), campaignMs)
