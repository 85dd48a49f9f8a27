// A client that sends thousands of requests on one stream: each turn of the event loop takes one of them.

import { Duplex } from 'node:stream'
import { create } from '@bufbuild/protobuf'
import { Metadata } from '@grpc/grpc-js'
import { expect, it } from 'vitest'
import { DiscoveryRequestSchema } from '../../../../src/adapters/grpc/gen/envoy/service/discovery/v3/discovery_pb.ts'
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

it('takes one request of a stream in each turn of the event loop', async () => {
  const told = new Told()
  const secrets: SecretSource = {
    get: () => Promise.reject(new Error('there is none')),
    watch: async function* () {
      await Promise.resolve()
    },
  }
  const { StreamSecrets } = sdsHandlers({
    attestor: { name: 'test', attest: () => Promise.resolve(secrets) },
    encoding: {} as never,
    ...{ maxNames: 100, minAnswerIntervalMs: 1, clock: new FakeClock() },
    ...{ logger: told.logger, metrics: told.metrics },
  })
  const call = new FakeCall()
  ;(StreamSecrets as unknown as (call: FakeCall) => void)(call)
  for (let count = 0; count < 10; count++)
    call.push(create(DiscoveryRequestSchema, { node: { id: 'node' }, resourceNames: [`name${count}`] }))
  const requests = (): number => told.metricsCounted('sds_requests')
  await turn()
  await turn()
  for (let count = requests(); count < 10; count = requests()) {
    await turn()
    expect(requests() - count).toBeLessThanOrEqual(1)
  }
  call.destroy()
})
