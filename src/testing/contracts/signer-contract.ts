// The contract of signers.

import { inspect } from 'node:util'
import { PublicKey, verifySignature } from '../../x509/index.ts'
import type { Signer } from '../../x509/index.ts'
import { holds } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface SignerContractOptions {
  /** Returns the signer; it may have the same key at each call. */
  readonly open: () => Signer | Promise<Signer>
}

/** The cases of `Signer`. */
export function signerContract({ open }: SignerContractOptions): readonly ContractCase[] {
  const signs = async (signer: Signer, data: Uint8Array, what: string): Promise<void> => {
    const signature = await signer.sign(data)
    holds(signature instanceof Uint8Array, `the signature over ${what} is not a Uint8Array`)
    const isGood = verifySignature(signer.publicKey, signer.signatureAlgorithm, data, signature)
    holds(isGood, `the signature over ${what} does not verify with ${signer.signatureAlgorithm}`)
  }
  return [
    {
      name: 'has an id, a public key and one algorithm',
      run: async () => {
        const { id, publicKey, signatureAlgorithm } = await open()
        holds(typeof id === 'string' && id !== '', 'the id is not a non-empty string')
        holds(publicKey instanceof PublicKey, 'publicKey is not a PublicKey')
        holds(typeof signatureAlgorithm === 'string', 'signatureAlgorithm is not a string')
      },
    },
    {
      name: 'signs no octet, one and many, in the encoding of X.509',
      run: async () => {
        const signer = await open()
        for (const length of [0, 1, 300, 70_000])
          await signs(signer, new Uint8Array(length).fill(length & 0xff), `${length} octets`)
      },
    },
    {
      name: 'signs each of several concurrent inputs',
      run: async () => {
        const signer = await open()
        await Promise.all(
          [1, 2, 3, 4].map((octet) => signs(signer, Uint8Array.of(octet), `the octet ${octet}`)),
        )
      },
    },
    {
      name: 'does not change the data',
      run: async () => {
        const data = new Uint8Array(64).fill(7)
        await (await open()).sign(data)
        holds(
          data.every((octet) => octet === 7),
          'sign changed the data',
        )
      },
    },
    {
      name: 'does not reveal the private key when printed',
      run: async () => {
        const signer = await open()
        const text =
          inspect(signer, { depth: 8, showHidden: true }) + JSON.stringify({ ...signer, publicKey: '' })
        holds(!/PRIVATE KEY|"d":/.test(text), 'the printed signer contains its private key')
      },
    },
  ]
}
