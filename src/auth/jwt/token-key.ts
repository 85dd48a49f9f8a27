// A key of a token issuer as jose verifies with it: imported once per algorithm, not once per token.

import { PkiError } from '../../errors/index.ts'
import type { JwtAuthority } from '../../svid/index.ts'
import type { TokenAlgorithm, UnverifiedToken } from './token.ts'

type Jose = Pick<typeof import('jose'), 'compactVerify' | 'importJWK'>
type ImportedKey = Awaited<ReturnType<Jose['importJWK']>>

/** Verifies the tokens of one key. */
export class TokenKey {
  readonly authority: JwtAuthority
  readonly #imported = new Map<TokenAlgorithm, ImportedKey>()

  constructor(authority: JwtAuthority) {
    this.authority = authority
  }

  /** @throws ERR_JWT_SIGNATURE */
  async verify({ text, algorithm }: UnverifiedToken): Promise<void> {
    jose ??= await loadJose()
    try {
      // A CryptoKey costs jose less per token than a KeyObject.
      const key = this.#imported.get(algorithm) ?? (await this.#import(jose, algorithm))
      await jose.compactVerify(text, key, { algorithms: [algorithm] })
    } catch (cause) {
      throw new PkiError('ERR_JWT_SIGNATURE', 'the signature of the token does not verify', { cause })
    }
  }

  async #import({ importJWK }: Jose, algorithm: TokenAlgorithm): Promise<ImportedKey> {
    const key = await importJWK(this.authority.publicKey.keyObject().export({ format: 'jwk' }), algorithm)
    this.#imported.set(algorithm, key)
    return key
  }
}

/** Loaded with the first token: a service that uses only certificates does not load it. */
async function loadJose(): Promise<Jose> {
  const [{ compactVerify }, { importJWK }] = await Promise.all([
    import('jose/jws/compact/verify'),
    import('jose/key/import'),
  ])
  return { compactVerify, importJWK }
}

let jose: Jose | undefined
