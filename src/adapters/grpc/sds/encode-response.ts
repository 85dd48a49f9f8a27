// Encodes responses of both protocols, each secret once for all streams, because only the nonce differs.

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

/** A response with one secret, encoded without a nonce and with the nonce that was last used. */
interface KnownResponse {
  readonly body: Buffer
  nonce: string
  message: Buffer
}

/** Encodes responses; keeps the encoding of a secret as long as the secret is referenced. */
export class ResponseEncoder {
  readonly #sotw = new WeakMap<EncodedSecret, KnownResponse>()
  readonly #delta = new WeakMap<EncodedSecret, KnownResponse>()

  readonly sotw = ({ versionInfo, nonce, resources }: SotwResponse<EncodedSecret>): Buffer =>
    shared(this.#sotw, resources, nonce, () =>
      encode(
        DiscoveryResponseSchema,
        create(DiscoveryResponseSchema, {
          versionInfo,
          typeUrl: secretTypeUrl,
          resources: resources.map(({ any }) => any),
        }),
      ),
    )

  readonly delta = ({
    systemVersionInfo,
    nonce,
    resources,
    removed,
  }: DeltaResponse<EncodedSecret>): Buffer => {
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
    return removed.length > 0 ? withNonce(make(), nonce) : shared(this.#delta, resources, nonce, make)
  }
}

/** Streams of the same age have the same nonce, and share the message too. */
function shared(
  known: WeakMap<EncodedSecret, KnownResponse>,
  resources: readonly EncodedSecret[],
  nonce: string,
  make: () => Buffer,
): Buffer {
  const [only] = resources
  if (only === undefined || resources.length > 1) return withNonce(make(), nonce)
  const found = known.get(only)
  if (found?.nonce === nonce) return found.message
  const body = found?.body ?? make()
  const message = withNonce(body, nonce)
  if (found === undefined) known.set(only, { body, nonce, message })
  else Object.assign(found, { nonce, message })
  return message
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
