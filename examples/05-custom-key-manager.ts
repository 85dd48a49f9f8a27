// Your own key manager: a remote service keeps the keys, returns only signatures, and passes the exported
// contract.

import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { PkiError, createRootCertificate, type KeyManager, type Signer } from 'spiffe-pki'
import type { KeyInfo } from 'spiffe-pki/keys'
import { contracts } from 'spiffe-pki/testing'
import { PublicKey } from 'spiffe-pki/x509'

// Stands for the service. A faulty one cannot harm: the CA verifies what comes back before it lets it out.
const service = new Map<string, (KeyObject | undefined)[]>()

class RemoteKeyManager implements KeyManager {
  #closed = false
  async generateKey(id: string, algorithm: string): Promise<Signer> {
    if (algorithm !== 'P-256')
      throw new PkiError('ERR_KEY_UNSUPPORTED', `${algorithm}: the service has P-256 alone`)
    if (this.#versions(id).some((key) => key !== undefined))
      // Nothing awaited up to here: one of two makes it
      throw new PkiError('ERR_KEY_EXISTS', `${id} is there`)
    service.set(id, this.#versions(id))
    return this.#add(id)
  }

  async getSigner(id: string, version?: number): Promise<Signer | undefined> {
    const versions = this.#versions(id)
    const key = version === undefined ? versions.findLast((one) => one !== undefined) : versions[version - 1]
    return (
      key && {
        id,
        publicKey: PublicKey.from(key),
        signatureAlgorithm: 'ecdsa-with-SHA256',
        sign: async (data) => sign('sha256', data, key),
      }
    )
  }

  async listKeys(wanted?: string): Promise<readonly KeyInfo[]> {
    return (wanted === undefined ? [...service.keys()] : [wanted]).flatMap((id) => {
      const versions = this.#versions(id)
      const newest = versions.findLastIndex((one) => one)
      return versions.flatMap((key, at) =>
        key
          ? [{ id, version: at + 1, algorithm: 'P-256', created: new Date(0), current: newest === at }]
          : [],
      )
    })
  }

  async rotateKey(id: string): Promise<Signer> {
    if ((await this.getSigner(id)) === undefined) throw new PkiError('ERR_KEY_NOT_FOUND', `no ${id}`)
    return this.#add(id)
  }

  backupKey = async (id: string): Promise<never> =>
    Promise.reject(
      new PkiError(
        (await this.getSigner(id)) ? 'ERR_KEY_NOT_EXTRACTABLE' : 'ERR_KEY_NOT_FOUND',
        `${id} stays with the service`,
      ),
    )
  restoreKey = async (): Promise<never> =>
    Promise.reject(
      new PkiError(this.#closed ? 'ERR_CLOSED' : 'ERR_KEY_NOT_EXTRACTABLE', 'the service takes no keys in'),
    )

  async destroyKey(id: string, version?: number): Promise<void> {
    if ((await this.getSigner(id, version)) === undefined) throw new PkiError('ERR_KEY_NOT_FOUND', `no ${id}`)
    service.set(
      id,
      this.#versions(id).map((key, at) => (version === undefined || at === version - 1 ? undefined : key)),
    )
  }

  [Symbol.asyncDispose] = async (): Promise<void> => void (this.#closed = true)
  #versions(id: string): (KeyObject | undefined)[] {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the key manager was closed')
    if (!/^[\w-][\w.-]{0,127}$/.test(id))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a key id is letters, digits, dots, hyphens and underscores')
    return service.get(id) ?? []
  }
  async #add(id: string): Promise<Signer> {
    service.get(id)?.push(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    return (await this.getSigner(id)) as Signer
  }
}

const open = async () => new RemoteKeyManager()
for (const { run } of contracts.KeyManager({ open, algorithms: ['P-256'], extractable: false })) await run()
const caKey = await new RemoteKeyManager().generateKey('root', 'P-256')
const root = await createRootCertificate(caKey, { subject: 'CN=kept elsewhere' })
console.log(`the contract holds; a root made with a key of the service: ${root.serialNumber}`)
