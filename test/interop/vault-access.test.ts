// A real Vault, and how our client gets in: logins, the renewal of tokens, revoked ones, and a seal.

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createVaultClient } from '../../src/adapters/vault/index.ts'
import { createRegistrationAuthority } from '../../src/ca/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { generalName } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'
import { workloadId } from '../support/pki.ts'
import { caRequest, issueVerified, requestFor, rotatingBelow } from '../support/remote-ca.ts'
import { temporaryFolders } from '../support/temporary.ts'
import { vaultPrograms } from '../support/vault-programs.ts'
import type { VaultServer } from '../support/vault-server.ts'

const newFolder = temporaryFolders('vault-')
const trustDomain = 'example.org'
type ClientOptions = Parameters<typeof createVaultClient>[0]

for (const { name, isPresent, start } of vaultPrograms)
  describe.skipIf(!isPresent)(name, () => {
    let vault: VaultServer

    beforeAll(async () => {
      vault = await start(newFolder())
    }, 1_800_000)
    afterAll(() => vault?.[Symbol.asyncDispose]())

    const open = (options: Partial<ClientOptions> = {}) => {
      const { address, appRole } = vault
      const client = createVaultClient({ address, auth: { appRole }, ...options })
      onTestFinished(() => client[Symbol.asyncDispose]())
      return client
    }
    /** What Vault keeps of the tokens of the AppRole. */
    const tokensOfTheRole = async (): Promise<readonly Record<string, unknown>[]> => {
      const { keys } = await vault.admin('LIST', 'auth/token/accessors')
      const found: Record<string, unknown>[] = []
      for (const accessor of keys as readonly string[]) {
        const token = await vault.admin('POST', 'auth/token/lookup-accessor', { accessor })
        if (token['path'] === 'auth/approle/login') found.push(token)
      }
      return found
    }
    const revokeTokensOfTheRole = async (): Promise<void> => {
      for (const { accessor } of await tokensOfTheRole())
        await vault.admin('POST', 'auth/token/revoke-accessor', { accessor })
    }

    describe('gives tokens, and our client', () => {
      const sign = async (client: ReturnType<typeof open>) =>
        client.upstream().issueIntermediate({ csr: await caRequest(), ttlSeconds: 3600 })

      it('renews the token of an AppRole before it expires', async () => {
        await revokeTokensOfTheRole()
        const clock = new FakeClock()
        const client = open({ clock })
        await sign(client)
        const renewals = async (): Promise<readonly unknown[]> =>
          (await tokensOfTheRole()).map((token) => token['last_renewal_time'])
        expect(await renewals()).toEqual([undefined])
        clock.advance(2_401_000)
        await expect.poll(renewals, { timeout: 60_000 }).toEqual([expect.any(Number)])
        await sign(client)
        expect(await renewals()).toHaveLength(1)
      })

      it('renews a token that it was given', async () => {
        const clock = new FakeClock()
        const token = await vault.newToken()
        const client = open({ clock, auth: { token } })
        await sign(client)
        clock.advance(2_401_000)
        const renewed = async (): Promise<unknown> =>
          (await vault.admin('POST', 'auth/token/lookup', { token }))['last_renewal_time']
        await expect.poll(renewed, { timeout: 60_000 }).toEqual(expect.any(Number))
      })

      it('takes a token that cannot be renewed, and one that never expires', async () => {
        const fixed = await vault.newToken({ renewable: false })
        const endless = await vault.newToken({ policies: ['root'], ttl: undefined })
        for (const token of [fixed, endless])
          expect((await sign(open({ auth: { token } }))).roots).toHaveLength(1)
      })

      it('logs in again, once, where the token of its AppRole was revoked', async () => {
        await revokeTokensOfTheRole()
        const client = open()
        await sign(client)
        await revokeTokensOfTheRole()
        await Promise.all([sign(client), sign(client), sign(client)])
        expect(await tokensOfTheRole()).toHaveLength(1)
      })

      it('logs in again where its token may be used for one more call alone', async () => {
        await vault.admin('POST', 'auth/approle/role/once', {
          token_policies: ['ca'],
          token_ttl: '60s',
          token_num_uses: 1,
        })
        const { role_id: roleId } = await vault.admin('GET', 'auth/approle/role/once/role-id')
        const { secret_id: secretId } = await vault.admin('POST', 'auth/approle/role/once/secret-id', {})
        const client = open({ auth: { appRole: { roleId: String(roleId), secretId: String(secretId) } } })
        const [first, second] = [await sign(client), await sign(client)]
        expect(first.certificate.serialNumber).not.toBe(second.certificate.serialNumber)
      })

      it('is refused with a token that was given and revoked', async () => {
        const token = await vault.newToken()
        const client = open({ auth: { token } })
        await sign(client)
        await vault.admin('POST', 'auth/token/revoke', { token })
        await expect(sign(client)).rejects.toThrow(code('ERR_CA_UNAUTHENTICATED'))
      })

      it('is refused with a wrong secret id', async () => {
        const auth = { appRole: { ...vault.appRole, secretId: 'wrong' } }
        await expect(sign(open({ auth }))).rejects.toThrow(code('ERR_CA_REFUSED'))
      })
    })

    describe('that is sealed', () => {
      it('cannot be asked, with a code that says so, and serves the client once it is open', async () => {
        const client = open()
        const rotating = await rotatingBelow(client.upstream())
        const signer = client.signer({ role: 'workload' })
        const registration = await createRegistrationAuthority({ trustDomain, signer })
        await vault.seal()
        try {
          await expect(rotating.prepareNext()).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
          await expect(client.upstream().roots()).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
          const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
          const prepared = await registration.prepare(await requestFor(), content)
          await expect(registration.sign(prepared)).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
          // What was certified before goes on.
          await issueVerified(rotating.authority)
        } finally {
          await vault.unseal()
        }
        await expect
          .poll(async () => (await rotating.prepareNext()).step, { timeout: 60_000 })
          .toBe('prepare')
        await issueVerified(registration)
      })
    })
  })
