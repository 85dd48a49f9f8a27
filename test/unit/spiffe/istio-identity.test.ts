// Istio's SPIFFE IDs.

import { describe, expect, it } from 'vitest'
import { SpiffeId, istio } from '../../../src/spiffe/index.ts'

describe('istio.spiffeId', () => {
  it('names a service account, both ways', () => {
    const id = istio.spiffeId({ trustDomain: 'cluster.local', namespace: 'prod', serviceAccount: 'api' })
    expect(id.toString()).toBe('spiffe://cluster.local/ns/prod/sa/api')
    const parsed = istio.parse(id)
    expect([parsed.trustDomain.name, parsed.namespace, parsed.serviceAccount]).toEqual([
      'cluster.local',
      'prod',
      'api',
    ])
    expect(istio.spiffeId(parsed).equals(id)).toBe(true)
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
    expect(() => istio.spiffeId({ trustDomain: 'td', namespace, serviceAccount })).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_PATH_INVALID' }),
    )
  })
})

describe('istio.parse', () => {
  it.each(['', '/ns/a', '/ns/a/sa', '/ns/a/sa/b/c', '/ns/a/SA/b', '/x/a/sa/b'])(
    'refuses the path %j',
    (path) => {
      const id = SpiffeId.fromPath('td', path)
      expect(() => istio.parse(id)).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_PATH_INVALID' }))
      expect(istio.tryParse(id)).toBeUndefined()
    },
  )

  it.each([
    '',
    'spiffe:///ns/a/sa/b',
    'spiffe://td/ns//sa/b',
    'spiffe://td/ns/a/sa/b/',
    'spiffe://TD/ns/a/sa/b',
  ])('refuses %j', (text) => {
    expect(() => istio.parse(text)).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }))
    expect(istio.tryParse(text)).toBeUndefined()
  })

  it('takes text', () => {
    expect(istio.tryParse('spiffe://td/ns/a/sa/b')?.namespace).toBe('a')
  })
})

describe('istio.trustDomain', () => {
  it('reads @ as a dot', () => {
    expect(istio.trustDomain('sa@project.iam').name).toBe('sa.project.iam')
    for (const text of ['A', null as unknown as string]) {
      expect(() => istio.trustDomain(text)).toThrow(
        expect.objectContaining({ code: 'ERR_TRUST_DOMAIN_INVALID' }),
      )
    }
  })
})
