// What clients keep of their connections, and for how long.

import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { connectTls } from '../../../../src/adapters/tls/index.ts'
import { openWorld, peerId, rawServer } from './door-fixtures.ts'
import type { Credentials, World } from './door-fixtures.ts'

let world: World
let peer: Credentials

beforeAll(async () => {
  world = await openWorld()
  peer = await world.credentialsOf(peerId)
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

test('an identity holds nothing of a connection that has ended', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const raw = await rawServer(peer)
  onTestFinished(() => void raw.server.close())
  const authorizations: WeakRef<object>[] = []
  for (let count = 0; count < 20; count++) {
    const id = Object.assign(() => true, { description: 'anybody' })
    authorizations.push(new WeakRef(id))
    const socket = connectTls(world.identity, { id, host: '127.0.0.1', port: raw.port })
    await once(socket, 'secureConnect')
    socket.destroy()
    await once(socket, 'close')
  }
  const held = async (): Promise<number> => {
    await turn()
    collect()
    return authorizations.filter((one) => one.deref() !== undefined).length
  }
  await expect.poll(held).toBeLessThan(5)
})
