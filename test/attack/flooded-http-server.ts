// The HTTP server under attack, in a process of its own: what it measures is its own event loop.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createHttpHandler } from '../../src/adapters/http/index.ts'
import { OcspCertificateId, OcspRequest } from '../../src/x509/index.ts'
import { callerOf, newRequest, testPki } from '../support/pki.ts'

const { authority, issuance } = await testPki()
const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
const { der } = OcspRequest.of([OcspCertificateId.of(certificate, authority.certificate)])
const tile = new Uint8Array(8 * 1024)
const tiles = { read: async () => new Uint8Array(tile) }
const server = createServer(createHttpHandler({ authority, tiles: tiles as never }))
server.listen(0, '0.0.0.0', 1024, () => {
  process.send?.({
    port: (server.address() as AddressInfo).port,
    ocsp: Buffer.from(der).toString('base64'),
  })
})

const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
// CPU time between two timers: what this loop was kept busy for, whatever else the machine does.
let stallMs = 0
let last = process.cpuUsage()
let begun = last
setInterval(() => {
  const { user, system } = process.cpuUsage(last)
  last = process.cpuUsage()
  stallMs = Math.max(stallMs, (user + system) / 1000)
}, 1)

process.on('message', (command: 'reset' | 'measure') => {
  if (command === 'reset') {
    stallMs = 0
    begun = last = process.cpuUsage()
    delay.reset()
    process.send?.({})
  } else {
    const { user, system } = process.cpuUsage(begun)
    process.send?.({ stallMs, delayMs: delay.max / 1e6, cpuMs: (user + system) / 1000 })
  }
})
process.on('disconnect', () => process.exit(0))
