import { EventEmitter } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { ConnectionRegistry } from '../../../../src/adapters/grpc/connection-registry.ts'
import { callerOf, newRequest, testPki } from '../../../support/pki.ts'

const { certificate } = await (
  await testPki()
).issuance.issue({ csr: (await newRequest()).request }, callerOf())

function socket(
  remoteAddress: string | undefined,
  remotePort: number | undefined,
  {
    authorized = false,
    raw = certificate.der,
  }: { readonly authorized?: boolean; readonly raw?: Uint8Array | null } = {},
): TLSSocket {
  return Object.assign(new EventEmitter(), {
    remoteAddress,
    remotePort,
    authorized,
    getPeerCertificate: () => (raw === null ? {} : { raw }),
  }) as unknown as TLSSocket
}

describe('ConnectionRegistry', () => {
  it('finds the peer of a connection as long as it lives', () => {
    const registry = new ConnectionRegistry()
    const [one, other] = [socket('10.0.0.1', 1000), socket('::1', 1000, { authorized: true })]
    registry.add(one)
    registry.add(other)
    expect(registry.find('10.0.0.1:1000')).toMatchObject({
      presentedChain: [{ serialNumber: certificate.serialNumber }],
      verifiedChain: [],
    })
    expect(registry.find('::1:1000')?.verifiedChain).toHaveLength(1)
    expect([registry.find('10.0.0.1:1001'), registry.find('unknown'), registry.size]).toEqual([
      undefined,
      undefined,
      2,
    ])
    one.emit('close')
    expect([registry.find('10.0.0.1:1000'), registry.size]).toEqual([undefined, 1])
    one.emit('close')
    expect(registry.size).toBe(1)
  })

  it('finds none of two that share an address, and the one that is left', () => {
    const registry = new ConnectionRegistry()
    const [one, other] = [socket('10.0.0.1', 1000), socket('10.0.0.1', 1000, { authorized: true })]
    registry.add(one)
    registry.add(other)
    expect([registry.find('10.0.0.1:1000'), registry.size]).toEqual([undefined, 2])
    one.emit('close')
    expect([registry.find('10.0.0.1:1000')?.verifiedChain.length, registry.size]).toEqual([1, 1])
    other.emit('close')
    expect([registry.find('10.0.0.1:1000'), registry.size]).toEqual([undefined, 0])
  })

  it.each([
    [undefined, undefined],
    ['10.0.0.1', undefined],
    [undefined, 1000],
  ])('does not register a connection that is gone already: %s:%s', (address, port) => {
    const registry = new ConnectionRegistry()
    registry.add(socket(address, port))
    expect([registry.size, registry.find(`${String(address)}:${String(port)}`)]).toEqual([0, undefined])
  })

  it('has a peer without certificates for a client that sent none', () => {
    const registry = new ConnectionRegistry()
    registry.add(socket('10.0.0.1', 1000, { raw: null }))
    expect(registry.find('10.0.0.1:1000')).toEqual({ presentedChain: [], verifiedChain: [] })
  })

  it('refuses a certificate that is no strict DER', () => {
    const registry = new ConnectionRegistry()
    expect(() => registry.add(socket('10.0.0.1', 1000, { raw: Uint8Array.of(0x30, 0x80, 0, 0) }))).toThrow(
      expect.objectContaining({ code: 'ERR_DER' }),
    )
    expect(registry.size).toBe(0)
  })
})
