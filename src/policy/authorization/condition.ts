// The keys of `when`: Istio's authorization policy conditions.

import { addressTest, portTest, textTest } from './attribute-test.ts'
import type { AttributeTest, FieldValues, TextsOf } from './attribute-test.ts'
import { claimTexts, headerTexts } from './facts.ts'
import type { Facts } from './facts.ts'
import { compileStringMatch } from './string-match.ts'

/** The test of a condition on this key, or the fault of the key as text. */
export function conditionOf(
  key: string,
  principal: (text: string) => string,
): ((values: FieldValues) => AttributeTest) | string {
  const address = addressKeys.get(key)
  if (address !== undefined) return (values) => addressTest(address, values)
  if (key === 'destination.port') return portTest
  if (key === 'source.principal')
    return (values) =>
      textTest(false, ({ principals }) => principals, compileStringMatch, {
        ...values,
        values: values.values.map(principal),
      })
  const text = textKeys.get(key)
  if (text !== undefined) return (values) => textTest(text.http, text.of, compileStringMatch, values)
  const header = /^request\.headers\[([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}|:authority|:method|:path)\]$/.exec(
    key,
  )?.[1]
  if (header !== undefined) return (values) => textTest(true, headerOf(header), compileStringMatch, values)
  const claim = /^request\.auth\.claims((?:\[[^[\]]{1,256}\]){1,16})$/.exec(key)?.[1]
  if (claim !== undefined) {
    const path = claim.slice(1, -1).split('][')
    return (values) => textTest(true, ({ claims }) => claimTexts(claims, path), compileStringMatch, values)
  }
  return `${JSON.stringify(key.slice(0, 128))} is not a key of a condition`
}

function headerOf(header: string): TextsOf {
  const name = header.toLowerCase()
  if (name === ':authority') return ({ hosts }) => hosts
  if (name === ':method') return ({ methods }) => methods
  if (name === ':path') return ({ paths }) => paths
  return (facts, each) => headerTexts(facts, name, each)
}

const addressKeys: ReadonlyMap<string, (facts: Facts) => Uint8Array | undefined> = new Map([
  ['source.ip', (facts: Facts) => facts.sourceIp],
  ['remote.ip', (facts: Facts) => facts.remoteIp],
  ['destination.ip', (facts: Facts) => facts.destinationIp],
])

const textKeys: ReadonlyMap<string, { readonly http: boolean; readonly of: TextsOf }> = new Map([
  ['source.namespace', { http: false, of: ({ namespaces }: Facts) => namespaces }],
  ['source.serviceAccount', { http: false, of: ({ serviceAccounts }: Facts) => serviceAccounts }],
  ['connection.sni', { http: false, of: ({ sni }: Facts) => sni }],
  ['request.auth.principal', { http: true, of: ({ requestPrincipals }: Facts) => requestPrincipals }],
  ['request.auth.audiences', { http: true, of: ({ claims }: Facts) => claimTexts(claims, ['aud']) }],
  ['request.auth.presenter', { http: true, of: ({ claims }: Facts) => claimTexts(claims, ['azp']) }],
])
