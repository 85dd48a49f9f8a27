// A real Vault as the CA above ours, and as the one that signs what a registration authority decided.

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createVaultClient } from '../../src/adapters/vault/index.ts'
import { createRegistrationAuthority } from '../../src/ca/index.ts'
import { contracts } from '../../src/testing/index.ts'
import { createCrlChecker, verifyPath } from '../../src/validation/index.ts'
import { Crl, generalName } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'
import { itKeeps } from '../support/contract.ts'
import { workloadId } from '../support/pki.ts'
import { issueVerified, requestFor, rotatingBelow } from '../support/remote-ca.ts'
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
    describe('as the upstream of a CA', () => {
      itKeeps(contracts.UpstreamAuthority({ open: () => open().upstream(), trustDomain }))

      it.each([
        ['a root', {}, 1],
        ['a root, by the name of its issuer', { issuer: 'first' }, 1],
        ['an intermediate', { mount: 'pki_int' }, 2],
        ['an intermediate, by the word for its default issuer', { mount: 'pki_int', issuer: 'default' }, 2],
      ])('is %s: its leaves verify with the root of Vault', async (_what, options, length) => {
        const rotating = await rotatingBelow(open().upstream(options))
        expect(rotating.authority.roots).toHaveLength(1)
        expect(rotating.authority.roots[0]?.subject.toString()).toBe('CN=Vault root')
        expect(rotating.authority.chain).toHaveLength(length)
        await issueVerified(rotating.authority)
      })

      it('certifies each of the keys that follow one another', async () => {
        const rotating = await rotatingBelow(open().upstream())
        await rotating.prepareNext()
        await rotating.publish()
        await rotating.activate({ force: true })
        const [first, second] = (await rotating.status()).authorities
        expect([first?.state, second?.state]).toEqual(['retired', 'active'])
        expect(second?.certificate.publicKey.equals(first!.certificate.publicKey)).toBe(false)
        await issueVerified(rotating.authority)
      })

      it('has a new root, which the CA publishes and then signs below', async () => {
        await vault.admin('POST', 'sys/mounts/pki_two', { type: 'pki', config: { max_lease_ttl: '87600h' } })
        const root = { common_name: 'Vault root', ttl: '87600h', key_type: 'ec' }
        await vault.admin('POST', 'pki_two/root/generate/internal', root)
        const token = await vault.newToken({ policies: ['root'] })
        const upstream = open({ auth: { token } }).upstream({ mount: 'pki_two' })
        const rotating = await rotatingBelow(upstream)
        const { issuer_id: id } = await vault.admin('POST', 'pki_two/root/rotate/internal', root)
        await vault.admin('POST', 'pki_two/config/issuers', { default: id })
        await rotating.run()
        expect(rotating.authority.roots).toHaveLength(2)
        await issueVerified(rotating.authority)
      })
    })

    describe('as the signer of a registration authority', () => {
      itKeeps(contracts.RemoteSigner({ open: () => open().signer({ role: 'of-the-guide' }), trustDomain }))

      it.each(['pki', 'pki_int'])(
        'signs the names that were decided on, with the CA of %s',
        async (mount) => {
          const signer = open().signer({ role: 'workload', mount })
          const authority = await createRegistrationAuthority({ trustDomain, signer })
          const subjectAltName = [
            generalName.uri(workloadId.toString()),
            generalName.dns('web.example'),
            generalName.ip('10.1.2.3'),
            generalName.ip('2001:db8::1'),
          ]
          const content = { subjectAltName, ttlSeconds: 600 }
          const { certificate } = await authority.sign(await authority.prepare(await requestFor(), content))
          expect(certificate.subjectAltName).toHaveLength(4)
          await issueVerified(authority)
        },
      )

      it.each(['RSA-2048', 'P-384', 'Ed25519'] as const)('signs for a key of %s', async (algorithm) => {
        const authority = await createRegistrationAuthority({
          trustDomain,
          signer: open().signer({ role: 'workload' }),
        })
        await issueVerified(authority, { algorithm })
      })

      it.each([
        ['a role that it does not have', 'unknown', 'ERR_CA_REFUSED'],
        ['a role for keys of another kind', 'rsa', 'ERR_CA_REFUSED'],
        ['a role that its token may not use', 'forbidden', 'ERR_CA_UNAUTHENTICATED'],
        ['a role without a purpose of the profile', 'servers', 'ERR_CA_REPLY'],
        ['a role that takes the names from the request', 'of-the-request', 'ERR_CA_REPLY'],
      ])('is refused with %s', async (_what, role, expected) => {
        const authority = await createRegistrationAuthority({ trustDomain, signer: open().signer({ role }) })
        const csr = await requestFor('spiffe://example.org/other')
        const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
        const prepared = await authority.prepare(csr, content)
        await expect(authority.sign(prepared)).rejects.toThrow(code(expected))
      })

      it('refuses names that its role does not allow', async () => {
        const authority = await createRegistrationAuthority({
          trustDomain,
          signer: open().signer({ role: 'workload' }),
        })
        const content = {
          subjectAltName: [generalName.uri(workloadId.toString()), generalName.dns('db.example')],
        }
        const prepared = await authority.prepare(await requestFor(), content)
        await expect(authority.sign(prepared)).rejects.toThrow(code('ERR_CA_REFUSED'))
      })

      it('shortens what is longer than its role allows, and that is accepted', async () => {
        const authority = await createRegistrationAuthority({
          trustDomain,
          signer: open().signer({ role: 'workload' }),
        })
        const content = {
          subjectAltName: [generalName.uri(workloadId.toString())],
          ttlSeconds: 72 * 3600,
        }
        const { certificate } = await authority.sign(await authority.prepare(await requestFor(), content))
        expect(certificate.notAfterMs).toBeLessThanOrEqual(Date.now() + 25 * 3_600_000)
      })

      it('revokes, and our checker reads its list', async () => {
        const authority = await createRegistrationAuthority({
          trustDomain,
          signer: open().signer({ role: 'workload' }),
        })
        const content = { subjectAltName: [generalName.uri(workloadId.toString())], ttlSeconds: 600 }
        const issue = async () =>
          (await authority.sign(await authority.prepare(await requestFor(), content))).certificate
        const [bad, good] = [await issue(), await issue()]
        await vault.admin('POST', 'pki/revoke', { certificate: bad.toPem() })
        const response = await fetch(`${vault.address}/v1/pki/crl`)
        const list = Crl.parse(new Uint8Array(await response.arrayBuffer()))
        const revocation = createCrlChecker({ lists: [list], mode: 'hard-fail' })
        const verdictOf = (leaf: typeof bad) => {
          const verdict = verifyPath(leaf, { anchors: [...authority.roots], revocation })
          return verdict.ok ? 'good' : verdict.rejected[0]?.code
        }
        expect([verdictOf(bad), verdictOf(good)]).toEqual(['ERR_REVOKED', 'good'])
      })
    })
  })
