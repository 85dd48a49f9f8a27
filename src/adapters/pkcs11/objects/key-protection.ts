// Checks how a token protects a private key, and whether each use needs a login.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import { ck } from '../cryptoki/cryptoki.ts'
import type { Cryptoki, Handle } from '../cryptoki/cryptoki.ts'
import { attributes, optionalAttribute } from './key-objects.ts'

/**
 * Reads the protection back, because a token may ignore attributes of the template.
 *
 * @throws ERR_HSM_KEY_PROTECTION
 */
export function checkProtection(
  cryptoki: Cryptoki,
  session: Handle,
  handle: Handle,
  madeHere: boolean,
): void {
  const wanted = madeHere ? [...always, ...whereItWasMade] : always
  const values = valuesOf(
    cryptoki,
    session,
    handle,
    wanted.map(([type]) => type),
  )
  wanted.forEach(([, name, value], at) => {
    // CK_BBOOL is one octet, 0 or 1 (PKCS #11 v3.0 section 3).
    const found = values[at]
    if (found?.length !== 1 || found[0] !== (value ? 1 : 0)) {
      const shown = found?.subarray(0, 8).toString('hex') ?? 'absent'
      throw new PkiError(
        'ERR_HSM_KEY_PROTECTION',
        `${name} of the private key is ${shown} in the token; expected ${String(value)}`,
      )
    }
  })
}

/** Undefined for an attribute that the token does not give. One call in most cases, for speed. */
function valuesOf(
  cryptoki: Cryptoki,
  session: Handle,
  handle: Handle,
  types: readonly number[],
): readonly (Buffer | undefined)[] {
  try {
    return attributes(cryptoki, session, handle, types)
  } catch (error) {
    if (!isPkiError(error, 'ERR_HSM_REFUSED')) throw error
    return types.map((type) => optionalAttribute(cryptoki, session, handle, type))
  }
}

/** Whether each signature needs a separate login (CKA_ALWAYS_AUTHENTICATE, PKCS #11 v3.0 section 4.9). */
export function needsContextLogin(cryptoki: Cryptoki, session: Handle, handle: Handle): boolean {
  return optionalAttribute(cryptoki, session, handle, ck.CKA_ALWAYS_AUTHENTICATE)?.[0] === 1
}

const always: readonly (readonly [type: number, name: string, value: boolean])[] = [
  [ck.CKA_SENSITIVE, 'CKA_SENSITIVE', true],
  [ck.CKA_EXTRACTABLE, 'CKA_EXTRACTABLE', false],
]
const whereItWasMade: typeof always = [
  [ck.CKA_ALWAYS_SENSITIVE, 'CKA_ALWAYS_SENSITIVE', true],
  [ck.CKA_NEVER_EXTRACTABLE, 'CKA_NEVER_EXTRACTABLE', true],
  [ck.CKA_LOCAL, 'CKA_LOCAL', true],
]
