// What authenticators see of a call, and of the peer of a server that is not ours.

import type { ServerUnaryCall } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import {
  authenticationRequestOf,
  tlsPeerFromAuthContext,
} from '../../../../src/adapters/grpc/certificate-service/authentication-request.ts'
import { code } from '../../../support/codes.ts'
import { testPki } from '../../../support/pki.ts'

type Call = ServerUnaryCall<unknown, unknown>
const { signal } = new AbortController()
const callOf = (parts: object): Call =>
  ({
    getPeer: () => 'unknown',
    getAuthContext: () => ({}),
    metadata: { get: () => [] },
    ...parts,
  }) as unknown as Call
const { root } = await testPki()

describe('the peer of a call', () => {
  it.each([
    ['192.0.2.1:443', { address: '192.0.2.1', port: 443 }],
    ['2001:db8::1:443', { address: '2001:db8::1', port: 443 }],
    ['unknown', undefined],
    [':443', undefined],
    ['192.0.2.1:https', undefined],
    ['', undefined],
  ])('%s', (peer, wanted) => {
    expect(authenticationRequestOf(callOf({ getPeer: () => peer }), () => undefined, signal).peer).toEqual(
      wanted,
    )
  })

  it('is nobody by TLS where the stack has no certificate', () => {
    for (const context of [{}, { sslPeerCertificate: undefined }, { sslPeerCertificate: {} }])
      expect(tlsPeerFromAuthContext(callOf({ getAuthContext: () => context }))).toBeUndefined()
  })

  it('is the leaf that the stack trusts', () => {
    const peerOf = (raw: Uint8Array): unknown =>
      tlsPeerFromAuthContext(callOf({ getAuthContext: () => ({ sslPeerCertificate: { raw } }) }))
    expect(peerOf(Buffer.from(root.der))).toMatchObject({
      presentedChain: [{ serialNumber: root.serialNumber }],
      verifiedChain: [{ serialNumber: root.serialNumber }],
    })
    expect(() => peerOf(Buffer.alloc(0))).toThrow(code('ERR_DER'))
  })
})

it('headers are texts, whatever octets they came as', () => {
  const { header } = authenticationRequestOf(
    callOf({ metadata: { get: (name: string) => [name, Buffer.from([0xe9])] } }),
    () => undefined,
    signal,
  )
  expect(header('x')).toEqual(['x', 'é'])
})
