// The cases of the contract of key managers for backups.

import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { openKeyBackup } from '../../../keys/index.ts'
import type { EncryptedKeyBackup, KeyAlgorithm } from '../../../keys/index.ts'
import { holds, refused } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { isOf, listedOf, signs } from './key-manager-checks.ts'
import type { WithKeys } from './key-manager-checks.ts'

/** For a backend whose keys can be exported as encrypted backups. */
export function backupCases(algorithms: readonly KeyAlgorithm[], withKeys: WithKeys): ContractCase[] {
  const first = algorithms[0] ?? 'P-256'
  // A key pair in cases that do not test a passphrase: each passphrase takes a third of a second.
  const [right, wrong] = [
    { recipient: generateKeyPairSync('x25519').privateKey },
    { recipient: generateKeyPairSync('x25519').privateKey },
  ]
  const [passphrase, wrongPassphrase] = ['correct horse battery staple', 'incorrect pony battery staple']
  return [
    {
      name: 'creates a backup that restores the key',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, { passphrase })
        await refused('ERR_KEY_EXISTS', keys.restoreKey(backup, { passphrase }))
        await refused('ERR_KEY_PASSPHRASE', keys.restoreKey(backup, { passphrase: wrongPassphrase }))
        await keys.destroyKey(id)
        const restored = await keys.restoreKey(throughJson(backup), { passphrase })
        holds(restored.publicKey.equals(made.publicKey), 'another key was restored')
        await signs(restored)
        await refused('ERR_KEY_NOT_FOUND', keys.backupKey(`${id}-other`, right))
      }),
    },
    {
      name: 'creates a backup that only its recipient can decrypt',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, { recipient: createPublicKey(right.recipient) })
        await refused('ERR_KEY_PASSPHRASE', keys.restoreKey(backup, wrong))
        await refused('ERR_KEY_BACKUP', keys.restoreKey(backup, { passphrase }))
        await keys.destroyKey(id)
        holds(
          (await keys.restoreKey(throughJson(backup), right)).publicKey.equals(made.publicKey),
          'another key was restored',
        )
      }),
    },
    {
      name: 'restores an older key as the next version of its id',
      run: withKeys(async (keys, id) => {
        const old = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, right)
        await keys.rotateKey(id)
        await keys.destroyKey(id, 1)
        const restored = await keys.restoreKey(backup, right)
        holds(restored.publicKey.equals(old.publicKey), 'another key was restored')
        holds(
          (await keys.getSigner(id))?.publicKey.equals(old.publicKey) === true,
          'the restored version is not current',
        )
        holds(
          JSON.stringify((await listedOf(keys, id)).map(({ version }) => version)) === '[2,3]',
          'the restored version has the number of another version',
        )
      }),
    },
    {
      name: 'restores each key with its algorithm',
      run: withKeys(async (keys, id) => {
        for (const algorithm of algorithms.filter((one) => one === first || one.startsWith('RSA-PSS'))) {
          const named = `${id}-${algorithm}`
          await keys.generateKey(named, algorithm)
          const backup = await keys.backupKey(named, right)
          await keys.destroyKey(named)
          isOf(await keys.restoreKey(backup, right), algorithm)
          isOf(await keys.rotateKey(named), algorithm)
          await keys.destroyKey(named)
        }
      }),
    },
    {
      name: 'refuses a changed backup',
      run: withKeys(async (keys, id) => {
        const made = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, right)
        await keys.destroyKey(id)
        const other: KeyAlgorithm = first === 'P-384' ? 'P-256' : 'P-384'
        for (const changed of [
          { ...backup, algorithm: other },
          { ...backup, created: '2020-01-01T00:00:00.000Z' },
          { ...backup, keyId: `${id}-other` },
        ])
          await refused('ERR_KEY_PASSPHRASE', keys.restoreKey(changed, right))
        for (const changed of [
          { ...backup, version: 2 as never },
          { ...backup, checksum: '' },
          { ...backup, algorithm: 'none' as never },
        ])
          await refused('ERR_KEY_BACKUP', keys.restoreKey(changed, right))
        holds(
          (await listedOf(keys, id)).length + (await listedOf(keys, `${id}-other`)).length === 0,
          'a key was restored nevertheless',
        )
        holds(
          (await keys.restoreKey(backup, right)).publicKey.equals(made.publicKey),
          'the backup cannot be decrypted any more',
        )
      }),
    },
    {
      name: 'copies the octets of a passphrase',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        const octets = Buffer.from(passphrase)
        const pending = keys.backupKey(id, { passphrase: octets })
        octets.fill(0x78)
        const backup = await pending
        await openKeyBackup(backup, { passphrase })
        await keys.destroyKey(id)
        octets.write(passphrase)
        const restoring = keys.restoreKey(backup, { passphrase: octets })
        octets.fill(0x78)
        await restoring
      }),
    },
    {
      name: 'does not reveal private keys or passphrases',
      run: withKeys(async (keys, id) => {
        const signer = await keys.generateKey(id, first)
        const backup = await keys.backupKey(id, { passphrase })
        const failure: unknown = await keys
          .restoreKey(backup, { passphrase: wrongPassphrase })
          .catch((error: unknown) => error)
        const exported = (await openKeyBackup(backup, { passphrase })).export({ format: 'jwk' })
        const everything = [keys, signer, await keys.listKeys(), backup, failure]
        const shown =
          inspect(everything, { depth: 20, showHidden: true, showProxy: true, maxArrayLength: null }) +
          JSON.stringify(everything)
        for (const secret of [exported.d, exported.p, exported.q].filter((one) => one !== undefined)) {
          const octets = Buffer.from(secret, 'base64url')
          for (const form of [
            secret,
            octets.toString('hex'),
            octets.toString('base64'),
            octets.join(','),
            octets.toString('hex').replace(/..(?=.)/g, '$& '),
          ])
            holds(!shown.includes(form), 'the output contains the private key')
        }
        for (const one of [passphrase, wrongPassphrase])
          holds(!shown.includes(one), 'the output contains the passphrase')
      }),
    },
  ]
}

/** For a backend whose keys stay in it. */
export function unextractableCases(first: KeyAlgorithm, withKeys: WithKeys): ContractCase[] {
  return [
    {
      name: 'refuses a backup of a key that is not extractable',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        await refused('ERR_KEY_NOT_EXTRACTABLE', keys.backupKey(id, { passphrase: 'contract' }))
        await refused('ERR_KEY_NOT_FOUND', keys.backupKey(`${id}-other`, { passphrase: 'contract' }))
      }),
    },
  ]
}

function throughJson(backup: EncryptedKeyBackup): EncryptedKeyBackup {
  return JSON.parse(JSON.stringify(backup)) as EncryptedKeyBackup
}
