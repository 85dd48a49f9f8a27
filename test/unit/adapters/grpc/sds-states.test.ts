// Both protocols of the Secret Discovery Service as pure objects: versions, nonces, ACK, NACK, names.

import { create, fromBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DeltaState } from '../../../../src/adapters/grpc/sds/delta-state.ts'
import type { DeltaRequest } from '../../../../src/adapters/grpc/sds/delta-state.ts'
import type { EncodedSecret } from '../../../../src/adapters/grpc/sds/encode-secret.ts'
import { ResponseEncoder } from '../../../../src/adapters/grpc/sds/encode-response.ts'
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from '../../../../src/adapters/grpc/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { SotwState, secretTypeUrl } from '../../../../src/adapters/grpc/sds/sotw-state.ts'
import type { SotwRequest } from '../../../../src/adapters/grpc/sds/sotw-state.ts'

interface Resource {
  readonly name: string
  readonly version: string
}
const at = (name: string, version: string): Resource => ({ name, version })

function sotw(maxNames = 64) {
  const state = new SotwState<Resource>({ maxNames })
  return {
    state,
    ask: (resourceNames: string[], rest: Partial<SotwRequest> = {}) =>
      state.receive({ nodeId: 'node', resourceNames, typeUrl: '', responseNonce: '', ...rest }),
    offer: (...resources: Resource[]) => {
      for (const resource of resources) state.offer(resource.name, { value: resource })
    },
    sent: () => state.next()?.resources.map(({ name, version }) => `${name}@${version}`),
  }
}

function delta(maxNames = 64) {
  const state = new DeltaState<Resource>({ maxNames })
  return {
    state,
    ask: (rest: Partial<DeltaRequest> = {}) =>
      state.receive({
        nodeId: 'node',
        typeUrl: '',
        subscribe: [],
        unsubscribe: [],
        initialResourceVersions: {},
        responseNonce: '',
        ...rest,
      }),
    offer: (...resources: Resource[]) => {
      for (const resource of resources) state.offer(resource.name, { value: resource })
    },
    sent: () => {
      const response = state.next()
      if (response === undefined) return undefined
      return [
        ...response.resources.map(({ name, version }) => `${name}@${version}`),
        ...response.removed.map((name) => `-${name}`),
      ]
    },
  }
}

const status = (code: number): unknown => expect.objectContaining({ code })

describe('state of the world', () => {
  test('the first request subscribes and is answered with what there is', () => {
    const { ask, offer, sent } = sotw()
    expect(ask(['a', 'b', 'a'])).toEqual({ kind: 'first', added: ['a', 'b'], removed: [] })
    expect(sent()).toBeUndefined()
    offer(at('a', '1'), at('c', '1'))
    expect(sent()).toEqual(['a@1'])
    offer(at('b', '1'))
    expect(sent()).toEqual(['b@1'])
    expect(sent()).toBeUndefined()
  })

  test('needs a node in the first request and in no other', () => {
    expect(() => sotw().ask(['a'], { nodeId: '' })).toThrow(status(3))
    const { ask } = sotw()
    ask(['a'])
    expect(ask(['a'], { nodeId: '', responseNonce: '9' }).kind).toBe('stale')
  })

  test.each(['', secretTypeUrl])('takes the type %j and no other', (typeUrl) => {
    expect(sotw().ask(['a'], { typeUrl }).kind).toBe('first')
    const { ask } = sotw()
    ask(['a'])
    expect(() => ask(['a'], { typeUrl: `${secretTypeUrl}s` })).toThrow(status(3))
  })

  test('after a reconnection everything is answered, whatever the first request carries', () => {
    const { ask, offer, sent } = sotw()
    expect(ask(['a'], { responseNonce: '41', error: 'no' })).toMatchObject({ kind: 'first' })
    offer(at('a', '1'))
    expect(sent()).toEqual(['a@1'])
  })

  test('an ACK is answered with nothing, and each nonce is new', () => {
    const { state, ask, offer } = sotw()
    ask(['a'])
    offer(at('a', '1'))
    const first = state.next()!
    expect(first.versionInfo).toBe('1')
    expect(ask(['a'], { responseNonce: first.nonce })).toMatchObject({ kind: 'ack', added: [], removed: [] })
    expect(state.next()).toBeUndefined()
    offer(at('a', '2'))
    expect(state.next()!.nonce).not.toBe(first.nonce)
  })

  test('with an ACK, added names are answered alone and names that are left out are forgotten', () => {
    const { state, ask, offer, sent } = sotw()
    ask(['a', 'b'])
    offer(at('a', '1'), at('b', '1'))
    const { nonce } = state.next()!
    expect(ask(['b', 'c'], { responseNonce: nonce })).toEqual({ kind: 'ack', added: ['c'], removed: ['a'] })
    offer(at('a', '2'), at('b', '1'), at('c', '1'))
    expect(sent()).toEqual(['c@1'])
  })

  test('no names after names unsubscribe from everything; a name that comes back is sent again', () => {
    const { state, ask, offer, sent } = sotw()
    ask(['a'])
    offer(at('a', '1'))
    const { nonce } = state.next()!
    expect(ask([], { responseNonce: nonce })).toEqual({ kind: 'ack', added: [], removed: ['a'] })
    expect(state.wildcard).toBe(false)
    offer(at('a', '2'))
    expect(sent()).toBeUndefined()
    expect(ask(['a'], { responseNonce: nonce }).added).toEqual(['a'])
    offer(at('a', '2'))
    expect(sent()).toEqual(['a@2'])
  })

  test('a secret that was removed is not sent again, even when it is asked for', () => {
    const { state, ask, offer, sent } = sotw()
    ask(['a', 'b'])
    offer(at('a', '1'), at('b', '1'))
    expect(sent()).toEqual(['a@1', 'b@1'])
    state.offer('a', { value: null })
    expect(ask(['a', 'b']).kind).toBe('again')
    expect(sent()).toEqual(['b@1'])
    offer(at('a', '1'))
    expect(sent()).toEqual(['a@1'])
  })

  test('a stale nonce changes nothing', () => {
    const { state, ask, offer, sent } = sotw()
    ask(['a'])
    offer(at('a', '1'))
    const { nonce } = state.next()!
    offer(at('a', '2'))
    state.next()
    expect(ask(['a', 'b'], { responseNonce: nonce })).toEqual({ kind: 'stale', added: [], removed: [] })
    expect(ask(['a'], { responseNonce: nonce, error: 'no' }).kind).toBe('stale')
    offer(at('b', '1'))
    expect(sent()).toBeUndefined()
  })

  test('a rejected version is not sent again, the next one is', () => {
    const { state, ask, offer, sent } = sotw()
    ask(['a', 'b'])
    offer(at('a', '1'), at('b', '1'))
    const { nonce } = state.next()!
    expect(ask(['a', 'b'], { responseNonce: nonce, error: 'bad' })).toMatchObject({
      kind: 'nack',
      error: 'bad',
      rejected: [at('a', '1'), at('b', '1')],
    })
    offer(at('a', '1'))
    expect(sent()).toBeUndefined()
    offer(at('a', '2'))
    expect(sent()).toEqual(['a@2'])
    offer(at('b', '2'))
    expect(sent()).toEqual(['b@2'])
    // Back to what was rejected: the client has said that it will not take it.
    offer(at('b', '1'))
    expect(sent()).toBeUndefined()
  })

  test('a request without a nonce starts anew', () => {
    const { state, ask, offer, sent } = sotw()
    ask(['a'])
    offer(at('a', '1'))
    state.next()
    expect(ask(['a'])).toMatchObject({ kind: 'again' })
    expect(sent()).toEqual(['a@1'])
    expect(sent()).toBeUndefined()
  })

  test('no names in the first request are all names, until a name is given', () => {
    const { state, ask, offer, sent } = sotw(1)
    ask([])
    expect(state.wildcard).toBe(true)
    expect(state.know(['a', 'b', 'c'])).toEqual({ added: ['a', 'b', 'c'], removed: [] })
    offer(at('a', '1'), at('b', '1'))
    const { nonce } = state.next()!
    expect(ask([], { responseNonce: nonce }).kind).toBe('ack')
    expect(state.wildcard).toBe(true)
    expect(state.know(['b', 'c'])).toEqual({ added: [], removed: ['a'] })
    expect(ask(['b'], { responseNonce: nonce })).toMatchObject({ added: [], removed: ['c'] })
    expect(state.wildcard).toBe(false)
    offer(at('b', '2'))
    expect(sent()).toEqual(['b@2'])
  })

  test('"*" is all names, beside others', () => {
    const { state, ask } = sotw()
    expect(ask(['*', 'x']).added).toEqual(['x'])
    expect(state.wildcard).toBe(true)
    expect(state.know(['a', 'x']).added).toEqual(['a'])
    expect(ask(['x']).removed).toEqual(['a'])
    expect(state.wildcard).toBe(false)
  })

  test('names are bounded in number and length', () => {
    expect(() => sotw(2).ask(['a', 'b', 'c'])).toThrow(status(8))
    expect(() => sotw().ask([''])).toThrow(status(3))
    expect(() => sotw().ask(['x'.repeat(5000)])).toThrow(status(3))
  })

  test('whatever happens: only subscribed names, only what changed, never what was rejected', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('offer' as const),
        name: fc.constantFrom('a', 'b', 'c'),
        version: fc.constantFrom('1', '2', '3'),
      }),
      fc.record({
        do: fc.constant('ask' as const),
        names: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }),
        stale: fc.boolean(),
        error: fc.boolean(),
      }),
      fc.record({ do: fc.constant('send' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { state, ask, offer } = sotw()
        let names = new Set<string>(['a'])
        ask(['a'])
        let nonce = '0'
        let last: readonly Resource[] = []
        const rejected = new Map<string, string>()
        const has = new Map<string, string>()
        const answer = (asked: readonly string[], stale: boolean, error: boolean): void => {
          if (nonce === '0') return
          const received = ask([...asked], {
            responseNonce: stale ? 'old' : nonce,
            ...(error ? { error: 'x' } : {}),
          })
          expect(received.kind).toBe(stale ? 'stale' : error ? 'nack' : 'ack')
          if (stale) return
          for (const name of names)
            if (!asked.includes(name)) for (const map of [has, rejected]) map.delete(name)
          names = new Set(asked)
          if (error) for (const { name, version } of last) if (names.has(name)) rejected.set(name, version)
        }
        const send = (): void => {
          const response = state.next()
          if (response === undefined) return
          expect(response.nonce).not.toBe(nonce)
          expect(response.resources.length).toBeGreaterThan(0)
          nonce = response.nonce
          last = response.resources
          for (const { name, version } of last) {
            expect(names.has(name)).toBe(true)
            expect(has.get(name)).not.toBe(version)
            expect(rejected.get(name)).not.toBe(version)
            has.set(name, version)
          }
        }
        for (const one of steps) {
          if (one.do === 'offer') offer(at(one.name, one.version))
          else if (one.do === 'ask') answer(one.names, one.stale, one.error)
          else send()
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('incremental', () => {
  test('subscribes and unsubscribes by difference', () => {
    const { ask, offer, sent } = delta()
    expect(ask({ subscribe: ['a', 'b'] })).toEqual({ kind: 'first', added: ['a', 'b'], removed: [] })
    offer(at('a', '1'), at('b', '1'))
    expect(sent()).toEqual(['a@1', 'b@1'])
    expect(ask({ subscribe: ['c'], unsubscribe: ['a'] })).toMatchObject({ added: ['c'], removed: ['a'] })
    offer(at('a', '2'), at('b', '1'), at('c', '1'))
    expect(sent()).toEqual(['c@1'])
    expect(sent()).toBeUndefined()
  })

  test('a name in both lists stays; one that was never subscribed to can be unsubscribed from', () => {
    const { ask } = delta()
    expect(ask({ subscribe: ['a'], unsubscribe: ['a', 'z'] }).added).toEqual(['a'])
  })

  test('a name that is subscribed to again is answered again', () => {
    const { ask, offer, sent } = delta()
    ask({ subscribe: ['a'] })
    offer(at('a', '1'))
    expect(sent()).toEqual(['a@1'])
    ask({ subscribe: ['a'] })
    expect(sent()).toEqual(['a@1'])
    expect(sent()).toBeUndefined()
  })

  test('what the client has from before is not sent again', () => {
    const { ask, offer, sent } = delta()
    ask({ subscribe: ['a', 'b', 'c'], initialResourceVersions: { a: '1', b: '0', other: '1' } })
    offer(at('a', '1'), at('b', '1'))
    expect(sent()).toEqual(['b@1'])
    offer(at('a', '2'))
    expect(sent()).toEqual(['a@2'])
  })

  test('what the client has from before and is gone is removed', () => {
    const { state, ask, sent } = delta()
    ask({ subscribe: ['a'], initialResourceVersions: { a: '1' } })
    state.offer('a', { value: null })
    expect(sent()).toEqual(['-a'])
    expect(sent()).toBeUndefined()
  })

  test('initial versions count in the first request alone', () => {
    const { ask, offer, sent } = delta()
    ask({ subscribe: ['a'] })
    ask({ subscribe: ['b'], initialResourceVersions: { b: '1' } })
    offer(at('b', '1'))
    expect(sent()).toEqual(['b@1'])
  })

  test('no name in the first request is everything, also after a reconnection', () => {
    const { state, ask, offer, sent } = delta()
    ask({ initialResourceVersions: { a: '1', gone: '1' } })
    expect(state.wildcard).toBe(true)
    expect(state.know(['a', 'b']).added).toEqual(['a', 'b'])
    offer(at('a', '1'), at('b', '1'))
    expect(sent()).toEqual(['b@1', '-gone'])
    expect(state.know(['b']).removed).toEqual(['a'])
    expect(sent()).toEqual(['-a'])
    expect(ask({ unsubscribe: ['*'] }).removed).toEqual(['b'])
    expect(state.wildcard).toBe(false)
    expect(sent()).toBeUndefined()
  })

  test('a name that is unsubscribed from beside everything is told again', () => {
    const { state, ask, offer, sent } = delta()
    ask({ subscribe: ['*', 'a', 'x'] })
    state.know(['a'])
    offer(at('a', '1'), at('x', '1'))
    expect(sent()!.sort()).toEqual(['a@1', 'x@1'])
    expect(ask({ unsubscribe: ['a', 'x'] }).removed).toEqual(['x'])
    expect(sent()).toEqual(['a@1'])
  })

  test('each response is accepted or rejected by its own nonce, in any order', () => {
    const { state, ask, offer, sent } = delta()
    ask({ subscribe: ['a', 'b'] })
    offer(at('a', '1'))
    const first = state.next()!
    offer(at('b', '1'))
    const second = state.next()!
    expect(ask({ responseNonce: second.nonce }).kind).toBe('ack')
    expect(ask({ responseNonce: first.nonce, error: 'bad' })).toMatchObject({
      kind: 'nack',
      rejected: [at('a', '1')],
    })
    expect(ask({ responseNonce: first.nonce, error: 'bad' }).kind).toBe('stale')
    offer(at('a', '1'))
    expect(sent()).toBeUndefined()
    offer(at('a', '2'))
    expect(sent()).toEqual(['a@2'])
  })

  test('an old nonce does not undo a subscription', () => {
    const { ask } = delta()
    ask({ subscribe: ['a'] })
    expect(ask({ responseNonce: 'nobody', subscribe: ['b'] })).toMatchObject({ kind: 'stale', added: ['b'] })
  })

  test('a client that acknowledges nothing is still told what changes, at a bounded cost', () => {
    const { ask, offer, state } = delta()
    ask({ subscribe: ['a'] })
    const nonces: string[] = []
    for (let version = 0; version < 200; version++) {
      offer(at('a', String(version)))
      nonces.push(state.next()!.nonce)
    }
    expect(ask({ responseNonce: nonces[0]! }).kind).toBe('stale')
    expect(ask({ responseNonce: nonces.at(-1)! }).kind).toBe('ack')
  })

  test('needs a node and the one type, and bounds the names', () => {
    expect(() => delta().ask({ nodeId: '' })).toThrow(status(3))
    expect(() => delta().ask({ typeUrl: 'x' })).toThrow(status(3))
    expect(() => delta(1).ask({ subscribe: ['a', 'b'] })).toThrow(status(8))
    const { ask } = delta(2)
    ask({ subscribe: ['a', 'b'] })
    expect(() => ask({ subscribe: ['c'] })).toThrow(status(8))
  })
})

describe('encoded responses', () => {
  const secret = (version: string): EncodedSecret => ({
    ...at('a', version),
    type: 'certificate',
    any: create(AnySchema, { typeUrl: secretTypeUrl, value: Buffer.from(`secret ${version}`) }),
  })
  const [one, two] = [secret('1'), secret('2')]

  test('each has its own nonce and secret; only equal ones share octets', () => {
    const { sotw, delta } = new ResponseEncoder()
    const encode = (nonce: string, resource: EncodedSecret): Buffer =>
      sotw({ versionInfo: resource.version, nonce, resources: [resource] })
    const first = encode('1', one)
    expect(encode('1', one)).toBe(first)
    const asked = [
      ['2', one],
      ['1', two],
      ['10', one],
      ['1', one],
    ] as const
    for (const [nonce, resource] of asked) {
      const { versionInfo, resources, ...rest } = fromBinary(DiscoveryResponseSchema, encode(nonce, resource))
      expect(rest.nonce).toBe(nonce)
      expect(versionInfo).toBe(resource.version)
      expect(Buffer.from(resources[0]!.value).toString()).toBe(`secret ${resource.version}`)
    }
    const withRemoved = (removed: string[]): Buffer =>
      delta({ systemVersionInfo: '1', nonce: '1', resources: [one], removed })
    expect(withRemoved([])).toBe(withRemoved([]))
    for (const removed of [[], ['b'], []])
      expect(fromBinary(DeltaDiscoveryResponseSchema, withRemoved(removed)).removedResources).toEqual(removed)
  })
})
