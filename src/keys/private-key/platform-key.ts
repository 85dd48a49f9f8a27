// The platform's import of private keys.

import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** The argument of `createPrivateKey`. */
export interface PlatformKeyInput {
  readonly key: Buffer
  readonly type: 'pkcs8' | 'pkcs1' | 'sec1'
}

/**
 * Loads DER by the platform. The error must not become a cause: it may quote decrypted content.
 *
 * Node 20 reports an error that an earlier call (for example a refused scrypt) left in OpenSSL's queue as the
 * failure of this one, and clears the queue. So only a repeated failure counts.
 *
 * @throws the platform's error
 */
export function loadPlatformKey(input: PlatformKeyInput): KeyObject {
  const options = { ...input, format: 'der' } as const
  try {
    return createPrivateKey(options)
  } catch {
    return createPrivateKey(options)
  }
}
