// The cases of the contract of key managers for the versions of a key.

import type { KeyAlgorithm } from '../../../keys/index.ts'
import { holds, refused } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { listedOf, signerOf, signs } from './key-manager-checks.ts'
import type { WithKeys } from './key-manager-checks.ts'

/** Rotation and destruction. */
export function versionCases(first: KeyAlgorithm, withKeys: WithKeys): ContractCase[] {
  return [
    {
      name: 'rotates: the new version signs, and the old one still signs',
      run: withKeys(async (keys, id) => {
        const old = await keys.generateKey(id, first)
        const next = await keys.rotateKey(id)
        holds(!next.publicKey.equals(old.publicKey), 'the new version has the old key')
        holds(
          (await keys.getSigner(id))?.publicKey.equals(next.publicKey) === true,
          'the current signer is not the new version',
        )
        await signs(old)
        await signs(next)
        await refused('ERR_KEY_NOT_FOUND', keys.rotateKey(`${id}-other`))
      }),
    },
    {
      name: 'returns each version by its number',
      run: withKeys(async (keys, id) => {
        const old = await keys.generateKey(id, first)
        const next = await keys.rotateKey(id)
        for (const [version, made] of [
          [1, old],
          [2, next],
        ] as const) {
          const found = await signerOf(keys, id, version)
          holds(found.publicKey.equals(made.publicKey), `version ${version} does not have the created key`)
          await signs(found)
        }
      }),
    },
    {
      name: 'rotates once per call, also for concurrent calls',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        const made = await Promise.all([1, 2, 3, 4].map(() => keys.rotateKey(id)))
        const listed = await listedOf(keys, id)
        holds(
          JSON.stringify(listed.map(({ version }) => version)) === '[1,2,3,4,5]',
          'versions are lost, or two have the same number',
        )
        const found = await Promise.all([2, 3, 4, 5].map((version) => signerOf(keys, id, version)))
        for (const one of made)
          holds(
            found.some(({ publicKey }) => publicKey.equals(one.publicKey)),
            'a returned signer has a version that is not stored',
          )
      }),
    },
    {
      name: 'destroys one version, then all',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        const next = await keys.rotateKey(id)
        await keys.destroyKey(id, 1)
        holds(
          (await keys.getSigner(id))?.publicKey.equals(next.publicKey) === true,
          'the other version does not exist any more',
        )
        holds((await keys.getSigner(id, 1)) === undefined, 'a destroyed version is found')
        await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id, 1))
        await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id, 3))
        await keys.destroyKey(id)
        holds((await keys.getSigner(id)) === undefined, 'a destroyed key is found')
        holds((await listedOf(keys, id)).length === 0, 'a destroyed key is listed')
        await refused('ERR_KEY_NOT_FOUND', keys.destroyKey(id))
      }),
    },
    {
      name: 'does not reuse a version number while the key exists',
      run: withKeys(async (keys, id) => {
        await keys.generateKey(id, first)
        await keys.rotateKey(id)
        await keys.destroyKey(id, 2)
        const next = await keys.rotateKey(id)
        const listed = await listedOf(keys, id)
        holds(
          JSON.stringify(listed.map(({ version, current }) => [version, current])) ===
            JSON.stringify([
              [1, false],
              [3, true],
            ]),
          'the number of a destroyed version was reused',
        )
        holds((await keys.getSigner(id, 2)) === undefined, 'a destroyed version is found')
        holds(
          (await keys.getSigner(id, 3))?.publicKey.equals(next.publicKey) === true,
          'the listed version is not the created one',
        )
        await keys.destroyKey(id)
      }),
    },
  ]
}
