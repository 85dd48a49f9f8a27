// Encodes responses of both protocols. The encoding of one secret is computed once for all streams: only the
// nonce differs.

import { create } from '@bufbuild/protobuf'
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import { encode } from '../protobuf.ts'
import type { DeltaResponse } from './delta-state.ts'
import type { EncodedSecret } from './encode-secret.ts'
import { secretTypeUrl } from './sotw-state.ts'
import type { SotwResponse } from './sotw-state.ts'

/** Encodes responses; keeps the encoding of a secret as long as the secret is referenced. */
export class ResponseEncoder {
  readonly #sotw = new WeakMap<EncodedSecret, Buffer>()
  readonly #delta = new WeakMap<EncodedSecret, Buffer>()

  sotw({ versionInfo, nonce, resources }: SotwResponse<EncodedSecret>): Buffer {
    const body = shared(this.#sotw, resources, () =>
      encode(
        DiscoveryResponseSchema,
        create(DiscoveryResponseSchema, {
          versionInfo,
          typeUrl: secretTypeUrl,
          resources: resources.map(({ any }) => any),
        }),
      ),
    )
    return withNonce(body, nonce)
  }

  delta({ systemVersionInfo, nonce, resources, removed }: DeltaResponse<EncodedSecret>): Buffer {
    const make = (): Buffer =>
      encode(
        DeltaDiscoveryResponseSchema,
        create(DeltaDiscoveryResponseSchema, {
          systemVersionInfo,
          typeUrl: secretTypeUrl,
          removedResources: [...removed],
          resources: resources.map(({ name, version, any }) => ({ name, version, resource: any })),
        }),
      )
    return withNonce(removed.length > 0 ? make() : shared(this.#delta, resources, make), nonce)
  }
}

function shared(
  known: WeakMap<EncodedSecret, Buffer>,
  resources: readonly EncodedSecret[],
  make: () => Buffer,
): Buffer {
  const [only] = resources
  if (only === undefined || resources.length > 1) return make()
  const found = known.get(only)
  if (found !== undefined) return found
  const made = make()
  known.set(only, made)
  return made
}

/** Field 5 in both messages; fields may come in any order. The nonce is a short number in decimal digits. */
function withNonce(body: Buffer, nonce: string): Buffer {
  const message = Buffer.allocUnsafe(body.length + 2 + nonce.length)
  body.copy(message)
  message[body.length] = (5 << 3) | 2
  message[body.length + 1] = nonce.length
  message.write(nonce, body.length + 2, 'latin1')
  return message
}
