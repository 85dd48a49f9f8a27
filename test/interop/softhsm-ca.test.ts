// A CA whose keys are all in a token: it rotates there, starts again, and signs its audit log there.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSoftHsmToken } from '../../examples/main/softhsm.ts'
import type { SoftHsmToken } from '../../examples/main/softhsm.ts'
import { Pkcs11KeyManager } from '../../src/adapters/pkcs11/index.ts'
import { createTileDirectory } from '../../src/adapters/files/index.ts'
import { verifyAuditLog } from '../../src/audit/index.ts'
import { createMemoryStorage } from '../../src/ca/index.ts'
import { createCaService } from '../../src/service/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { sqliteWorker } from '../support/bundled.ts'
import { requires } from '../support/requires.ts'
import { issueLeaf, refusalOf, statesOf, testRotation } from '../support/rotation.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('softhsm-ca-')

describe.skipIf(!requires('softhsm'))('a CA with its keys in a token', () => {
  let token: SoftHsmToken
  beforeAll(async () => {
    token = await createSoftHsmToken('ca')
  })
  afterAll(() => token.dispose())

  const open = (): Promise<Pkcs11KeyManager> =>
    Pkcs11KeyManager.open({
      module: token.modulePath,
      token: { label: token.label },
      pin: () => token.pin,
    })

  it('rotates to a new key in it, also over a restart, and each leaf verifies', async () => {
    const clock = new FakeClock()
    const storage = createMemoryStorage({ clock })
    const before = await (async () => {
      await using keys = await open()
      const test = await testRotation({ keys, storage, clock })
      await using rotating = test.rotating
      const leaf = await issueLeaf(test)
      await rotating.prepareNext()
      await rotating.publish()
      return leaf
    })()
    await using keys = await open()
    const test = await testRotation({ keys, storage, clock })
    await using rotating = test.rotating
    await rotating.activate({ id: 'ca-2', force: true })
    expect(await statesOf(test)).toEqual(['ca-1 retired', 'ca-2 active'])
    expect((await keys.listKeys()).map(({ id, version }) => `${id} ${version}`)).toEqual(['ca 1', 'ca 2'])
    const bundle = rotating.authority.trustBundle()
    for (const leaf of [before, await issueLeaf(test)])
      expect(refusalOf(leaf, bundle, clock.now())).toBeUndefined()
    expect(await rotating.authority.issueCrls()).toHaveLength(2)
  })

  it('is a service that starts again, with no key in a file', async () => {
    const directory = newFolder()
    const service = async () => {
      const keys = await open()
      const opened = await createCaService({
        ...{ directory, trustDomain: 'example.org', keys, workerModule: sqliteWorker() },
      })
      return {
        opened,
        [Symbol.asyncDispose]: async () => {
          await opened[Symbol.asyncDispose]()
          await keys[Symbol.asyncDispose]()
        },
      }
    }
    const first = await service()
    await first[Symbol.asyncDispose]()
    await using again = await service()
    const { root, audit } = again.opened
    expect(root.equals(first.opened.root)).toBe(true)
    expect(existsSync(join(directory, 'keys'))).toBe(false)
    expect(await again.opened.health()).toMatchObject({ ready: true, problems: [] })
    const tiles = createTileDirectory(join(directory, 'audit'))
    expect(await verifyAuditLog({ tiles, key: audit!.key })).toMatchObject({ ok: true })
  })
})
