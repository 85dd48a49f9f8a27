// The TLS server of a port: what Node is told.

import { createServer } from 'node:tls'
import { describe, expect, it, vi } from 'vitest'
import { closedAfterEach, startTestServer } from '../../../../support/certificate-server.ts'
import { code } from '../../../../support/codes.ts'

vi.mock('node:tls', async (original) => {
  const tls = await original<typeof import('node:tls')>()
  return { ...tls, createServer: vi.fn(tls.createServer) }
})

const keep = closedAfterEach()

describe('a port', () => {
  it('gives a handshake 10 s, speaks HTTP/2, and asks for a certificate on one port alone', async () => {
    keep(await startTestServer({ tokenPort: 0 }))
    const expected = {
      handshakeTimeout: 10_000,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    }
    expect(vi.mocked(createServer).mock.calls.map(([options]) => options)).toEqual([
      expect.objectContaining({ ...expected, requestCert: true }),
      expect.objectContaining({ ...expected, requestCert: false }),
    ])
  })

  it('that is taken is said so, and nothing stays open', async () => {
    const first = keep(await startTestServer())
    const { port } = first.server
    await expect(startTestServer({ port })).rejects.toThrow(code('ERR_SERVER_START'))
    await expect(startTestServer({ port: 0, tokenPort: port })).rejects.toThrow(code('ERR_SERVER_START'))
  })
})
