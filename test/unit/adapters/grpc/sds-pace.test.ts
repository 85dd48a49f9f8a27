// A client that sends thousands of requests, or requests with thousands of names: how many of them one turn
// of the event loop takes.

import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { create, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import { Metadata } from '@grpc/grpc-js'
import { expect, it } from 'vitest'
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
} from '../../../../src/adapters/grpc/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { sdsHandlers } from '../../../../src/adapters/grpc/sds/sds-service.ts'
import type { SecretSource } from '../../../../src/secrets/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { Told } from '../../../support/listener.ts'

class FakeCall extends Duplex {
  readonly metadata = new Metadata()
  readonly cancelled = false

  constructor() {
    super({ objectMode: true, read: () => undefined, write: (_message, _encoding, done) => done() })
  }

  getPeer(): string {
    return 'test'
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The handlers over a source without secrets, and the number of requests that they have taken. */
function handlers(): {
  readonly open: (method: 'StreamSecrets' | 'DeltaSecrets') => FakeCall
  readonly requests: () => number
} {
  const told = new Told()
  const secrets: SecretSource = {
    get: () => Promise.reject(new Error('there is none')),
    watch: async function* () {
      await Promise.resolve()
    },
  }
  const methods = sdsHandlers({
    attestor: { name: 'test', attest: () => Promise.resolve(secrets) },
    encoding: {} as never,
    ...{ maxNames: 100, minAnswerIntervalMs: 1, clock: new FakeClock() },
    ...{ logger: told.logger, metrics: told.metrics },
  })
  return {
    open: (method) => {
      const call = new FakeCall()
      ;(methods[method] as unknown as (call: FakeCall) => void)(call)
      return call
    },
    requests: () => told.metricsCounted('sds_requests'),
  }
}

function octets<Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Uint8Array {
  return toBinary(schema, create(schema, message))
}

/** Turns of the event loop until `count` requests were taken, at most one of them in a turn. */
async function oneInATurn(requests: () => number, count: number): Promise<void> {
  for (let taken = requests(); taken < count; taken = requests()) {
    await turn()
    expect(requests() - taken).toBeLessThanOrEqual(1)
  }
}

it('takes one request of a stream in each turn of the event loop', async () => {
  const { open, requests } = handlers()
  const call = open('StreamSecrets')
  for (let count = 0; count < 10; count++)
    call.push(octets(DiscoveryRequestSchema, { node: { id: 'node' }, resourceNames: [`name${count}`] }))
  await turn()
  await turn()
  await oneInATurn(requests, 10)
  call.destroy()
})

it('takes one request with many names of a connection in each turn, on whichever stream', async () => {
  const { open, requests } = handlers()
  const names = Array.from({ length: 300 }, () => 'name')
  const versions = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`name${index}`, 'a']))
  const calls = Array.from({ length: 10 }, (_, index) =>
    open(index % 2 === 0 ? 'StreamSecrets' : 'DeltaSecrets'),
  )
  for (const [index, call] of calls.entries())
    call.push(
      index % 2 === 0
        ? octets(DiscoveryRequestSchema, { node: { id: 'node' }, resourceNames: names })
        : octets(DeltaDiscoveryRequestSchema, { node: { id: 'node' }, initialResourceVersions: versions }),
    )
  await oneInATurn(requests, 10)
  for (const call of calls) call.destroy()
})

it('ends a stream whose request has more names or versions than can be subscribed to', async () => {
  const { open, requests } = handlers()
  const versions = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`name${index}`, 'a']))
  for (const message of [
    { node: { id: 'node' }, initialResourceVersions: versions },
    { node: { id: 'node' }, resourceNamesUnsubscribe: Object.keys(versions) },
  ]) {
    const call = open('DeltaSecrets')
    const ended = once(call, 'error')
    call.push(octets(DeltaDiscoveryRequestSchema, message))
    expect((await ended)[0]).toMatchObject({
      code: 8,
      details: 'a request has 5001 names, versions and other fields; the maximum is 4096',
    })
  }
  expect(requests()).toBe(0)
})

it('answers a request that cannot be read as grpc-js does', async () => {
  const call = handlers().open('DeltaSecrets')
  const ended = once(call, 'error')
  call.push(Buffer.from('0a05', 'hex'))
  expect((await ended)[0]).toMatchObject({ code: 13, details: 'Error deserializing request' })
})
