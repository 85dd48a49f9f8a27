import { describe, expect, it } from 'vitest'
import {
  SpiffeId,
  istioSpiffeId,
  istioTrustDomain,
  parseIstioSpiffeId,
  tryParseIstioSpiffeId,
} from '../../../src/spiffe/index.ts'

describe('istioSpiffeId', () => {
  it('names a service account, both ways', () => {
    const id = istioSpiffeId({ trustDomain: 'cluster.local', namespace: 'prod', serviceAccount: 'api' })
    expect(id.toString()).toBe('spiffe://cluster.local/ns/prod/sa/api')
    const parsed = parseIstioSpiffeId(id)
    expect([parsed.trustDomain.name, parsed.namespace, parsed.serviceAccount]).toEqual([
      'cluster.local',
      'prod',
      'api',
    ])
    expect(istioSpiffeId(parsed).equals(id)).toBe(true)
  })

  // Istio's own reader takes all of these as parts.
  it.each([
    ['', 'api'],
    ['prod', ''],
    ['a/b', 'api'],
    ['..', 'api'],
    ['prod', 'a@b'],
    [undefined as unknown as string, 'api'],
  ])('refuses namespace %j, service account %j', (namespace, serviceAccount) => {
    expect(() => istioSpiffeId({ trustDomain: 'td', namespace, serviceAccount })).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_PATH_INVALID' }),
    )
  })
})

describe('parseIstioSpiffeId', () => {
  it.each(['', '/ns/a', '/ns/a/sa', '/ns/a/sa/b/c', '/ns/a/SA/b', '/x/a/sa/b'])(
    'refuses the path %j',
    (path) => {
      const id = SpiffeId.fromPath('td', path)
      expect(() => parseIstioSpiffeId(id)).toThrow(
        expect.objectContaining({ code: 'ERR_SPIFFE_PATH_INVALID' }),
      )
      expect(tryParseIstioSpiffeId(id)).toBeUndefined()
    },
  )

  it.each([
    '',
    'spiffe:///ns/a/sa/b',
    'spiffe://td/ns//sa/b',
    'spiffe://td/ns/a/sa/b/',
    'spiffe://TD/ns/a/sa/b',
  ])('refuses %j', (text) => {
    expect(() => parseIstioSpiffeId(text)).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }))
    expect(tryParseIstioSpiffeId(text)).toBeUndefined()
  })

  it('takes text', () => {
    expect(tryParseIstioSpiffeId('spiffe://td/ns/a/sa/b')?.namespace).toBe('a')
  })
})

describe('istioTrustDomain', () => {
  it('reads @ as a dot', () => {
    expect(istioTrustDomain('sa@project.iam').name).toBe('sa.project.iam')
    for (const text of ['A', null as unknown as string]) {
      expect(() => istioTrustDomain(text)).toThrow(
        expect.objectContaining({ code: 'ERR_TRUST_DOMAIN_INVALID' }),
      )
    }
  })
})
