// A holder in another process learns over HTTP that the key above its certificate is doubted, and renews.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { createHttpHandler } from '../../../../src/adapters/http/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { createX509Source, localCaClient } from '../../../../src/secrets/index.ts'
import type { CaClient } from '../../../../src/secrets/index.ts'
import { Certificate } from '../../../../src/x509/index.ts'
import { callerOf, workloadId } from '../../../support/pki.ts'
import { testRotation } from '../../../support/rotation.ts'

const minute = 60_000

it('/tainted has the doubted authorities, and a source that asks renews by the next one', async () => {
  const { rotating, clock } = await testRotation()
  await rotating.prepareNext()
  await rotating.publish()
  clock.advance(17 * minute)
  const { authority } = rotating
  const server = createServer(createHttpHandler({ authority, clock })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tainted`
  const issuance = createIssuanceService({ authority, clock, pruneIntervalSeconds: Infinity })
  // As over a network: nothing but what is served tells of the taint.
  const local = localCaClient(issuance, callerOf())
  let listening: (authority: Certificate) => void = () => undefined
  const ca: CaClient = {
    issue: (request) => local.issue(request),
    onTaint: (listener) => {
      listening = listener
      return () => undefined
    },
  }
  const ask = async (): Promise<number> => {
    const response = await fetch(url)
    const pem = await response.text()
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'public, max-age=60'])
    const doubted = pem === '' ? [] : Certificate.listFromPem(pem)
    doubted.forEach((one) => listening(one))
    return doubted.length
  }
  await using source = createX509Source({ ca, clock, id: workloadId, taintSpreadSeconds: 60 })
  await source.ready()
  const before = source.current.svid.leaf
  expect(await ask()).toBe(0)
  await rotating.taint('ca-1')
  // Strangers that ask share one look at the store in five seconds.
  expect(await ask()).toBe(0)
  clock.advance(5000)
  expect(await ask()).toBe(1)
  clock.advance(2 * minute)
  await expect.poll(() => source.current.svid.leaf.equals(before)).toBe(false)
  expect(source.current.svid.leaf.verifySignatureBy(authority.certificate.publicKey)).toBe(true)
  await rotating.revoke('ca-1', { force: true })
  expect(await ask()).toBe(1)
  server.closeAllConnections()
  server.close()
})
