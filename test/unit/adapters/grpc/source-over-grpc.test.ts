// An X.509 source over the gRPC client: its token is missing, expires and is rotated, and it recovers without
// a restart (R19).

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createCertificateClient } from '../../../../src/adapters/grpc/index.ts'
import { createX509Source } from '../../../../src/secrets/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { closedAfterEach, startTestServer } from '../../../support/certificate-server.ts'
import { callerOf, workloadId } from '../../../support/pki.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('token-')
const kept = closedAfterEach()
const hour = 3_600_000

test('a token is read again at each attempt, and the SVID is served meanwhile', async () => {
  const path = join(newFolder(), 'token')
  let accepted = 'one'
  const { server, pki } = kept(
    await startTestServer({
      authenticator: {
        name: 'token',
        authenticate: async (asked) =>
          asked.header('authorization')[0] === `Bearer ${accepted}` ? callerOf() : undefined,
      },
    }),
  )
  const ca = kept(
    await createCertificateClient({
      address: `localhost:${server.port}`,
      tls: () => ({ roots: pki.root.toPem() }),
      token: () => readFileSync(path, 'utf8'),
      retry: { attempts: 1 },
    }),
  )
  const clock = new FakeClock(new Date())
  const source = kept(createX509Source({ ca, clock, id: workloadId }))
  // Not there yet: the kubelet writes it when it comes to it.
  await expect.poll(() => source.status.lastError).toBeDefined()
  expect(source.status.state).toBe('waiting')
  writeFileSync(path, 'one\n')
  const recovered = async (): Promise<void> =>
    expect
      .poll(
        () => {
          clock.advance(10_000)
          return source.status.lastError
        },
        { timeout: 20_000 },
      )
      .toBeUndefined()
  await recovered()
  const first = source.current

  // The old token is not accepted any more, and the file is rotated later.
  accepted = 'two'
  clock.advance(13 * hour)
  await expect.poll(() => source.status.state).toBe('failing')
  expect(source.current).toBe(first)
  rmSync(path)
  clock.advance(5 * 60_000)
  expect(source.current).toBe(first)
  writeFileSync(path, 'two\n')
  await recovered()
  expect(source.current).not.toBe(first)

  // After two days without the right token the SVID has expired. It is no dead end.
  accepted = 'three'
  clock.advance(30 * hour)
  await expect.poll(() => source.status.state).toBe('expired')
  clock.setWallClock(new Date())
  writeFileSync(path, 'three\n')
  await recovered()
  expect(source.status.state).toBe('current')
})
