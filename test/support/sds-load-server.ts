// An SDS server under load, in a process of its own (with --expose-gc), controlled over IPC.

import { createSdsServer } from '../../src/adapters/grpc/sds/index.ts'
import { createRootCertificate } from '../../src/ca/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import type { SecretSource, ValidationSecret } from '../../src/secrets/index.ts'
import { LatestValue } from '../../src/secrets/internal.ts'
import { TrustDomain } from '../../src/spiffe/index.ts'

/** `rotate` sets other roots; `memory` collects garbage first. */
export type LoadOrder = 'rotate' | 'memory'

/** The answer to an order. */
export interface LoadAnswer {
  /** The first of the roots that are served now. */
  readonly pem: string
  /** Heap and buffers, of an order for the memory. */
  readonly bytes: number
}

// The socket and the largest number of streams.
const [socket = '', streams = ''] = process.argv.slice(2)
const most = 2 * Number(streams)
const trustDomain = TrustDomain.from('example.org')
const signer = await SoftwareSigner.generate('P-256')
/** As large as the roots of a mesh in the middle of a rotation: some 6 KB. */
const version = async (name: string): Promise<ValidationSecret> => ({
  type: 'validation',
  name: 'ROOTCA',
  authorities: [
    {
      trustDomain,
      certificates: await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          createRootCertificate(signer, { subject: `CN=${name}${at}`, trustDomain: 'example.org' }),
        ),
      ),
    },
  ],
  crls: [],
})
const versions = [await version('a'), await version('b')] as const
const latest = new LatestValue<ValidationSecret>()
let current: ValidationSecret = versions[0]
latest.set(current)
const secrets: SecretSource = {
  get: () => Promise.resolve(current),
  watch: (_name, signal) => latest.follow(signal),
}
await createSdsServer({
  address: `unix://${socket}`,
  secrets,
  minAnswerIntervalMs: 1,
  maxConnections: most,
  maxConnectionsPerSource: most,
  maxUnauthenticatedCallsPerSource: most,
})

function memory(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const answer = (bytes: number): void => {
  const pem = current.authorities[0]!.certificates[0]!.toPem()
  process.send?.({ pem, bytes } satisfies LoadAnswer)
}
process.on('message', (order: LoadOrder) => {
  if (order === 'rotate') {
    current = current === versions[0] ? versions[1] : versions[0]
    latest.set(current)
  }
  answer(order === 'memory' ? memory() : 0)
})
process.on('disconnect', () => process.exit(0))
answer(0)
