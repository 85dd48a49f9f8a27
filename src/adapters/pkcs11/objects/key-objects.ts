// Key pairs as objects of a token: finding, matching and destroying them (PKCS #11 v3.0 section 4).

import { PkiError } from '../../../errors/index.ts'
import { ck, nameOfNumber } from '../cryptoki/cryptoki.ts'
import type { Attribute, Cryptoki, Handle } from '../cryptoki/cryptoki.ts'
import { HsmError, ckr, hsmError, returnValueOf } from '../cryptoki/return-value.ts'
import { readName } from './key-name.ts'
import type { KeyTag, ObjectName } from './key-name.ts'

/** An object of a token. */
export interface TokenObject extends ObjectName {
  readonly handle: Handle
  /** The id of the key; the label if another program created it. */
  readonly id: string
  /** Undefined for a key of another program. */
  readonly tag: KeyTag | undefined
}

/** The version of a key; a key of another program has version 1. */
export function versionOf({ tag }: Pick<TokenObject, 'tag'>): number {
  return tag?.version ?? 1
}

/** Every private key. */
export function listPrivateKeys(cryptoki: Cryptoki, session: Handle): readonly TokenObject[] {
  return list(cryptoki, session, ck.CKO_PRIVATE_KEY, [])
}

/** The private keys with this CKA_ID. */
export function findPrivateKeysByObjectId(
  cryptoki: Cryptoki,
  session: Handle,
  objectId: Buffer,
): readonly TokenObject[] {
  return list(cryptoki, session, ck.CKO_PRIVATE_KEY, [{ type: ck.CKA_ID, value: objectId }])
}

/** Every version of a private key, oldest first. */
export function findPrivateKeys(cryptoki: Cryptoki, session: Handle, id: string): readonly TokenObject[] {
  return [...named(cryptoki, session, ck.CKO_PRIVATE_KEY, id)].sort((a, b) => versionOf(a) - versionOf(b))
}

/**
 * The public keys generated here under an id. The public key of the newest version stays when its private key
 * is destroyed, so that the version number is not used again.
 */
export function findPublicVersions(cryptoki: Cryptoki, session: Handle, id: string): readonly TokenObject[] {
  return named(cryptoki, session, ck.CKO_PUBLIC_KEY, id).filter(({ tag }) => tag !== undefined)
}

/**
 * The objects of a class that belong to a private key: those with its CKA_ID, or with its CKA_LABEL if it has
 * no CKA_ID (PKCS #11 v3.0 section 4.6.3). If several have the CKA_ID, the CKA_LABEL decides.
 */
export function findCounterparts(
  cryptoki: Cryptoki,
  session: Handle,
  objectClass: number,
  { label, objectId }: ObjectName,
): readonly Handle[] {
  const filter =
    objectId.length > 0 ? { type: ck.CKA_ID, value: objectId } : { type: ck.CKA_LABEL, value: label }
  const found = list(cryptoki, session, objectClass, [filter]).filter(
    (object) => objectId.length > 0 || object.objectId.length === 0,
  )
  const sameLabel = found.filter((object) => object.label === label)
  return (found.length > 1 && sameLabel.length > 0 ? sameLabel : found).map(({ handle }) => handle)
}

/**
 * Destroys both halves of a key pair, the private one first, so that no
 * private key without a public one stays.
 */
export function destroyPair(cryptoki: Cryptoki, session: Handle, key: TokenObject): void {
  destroy(cryptoki, session, key.handle)
  for (const handle of findCounterparts(cryptoki, session, ck.CKO_PUBLIC_KEY, key))
    destroy(cryptoki, session, handle)
}

/** Destroys an object that another process may have destroyed already. */
export function destroy(cryptoki: Cryptoki, session: Handle, handle: Handle): void {
  unlessGone(() => cryptoki.C_DestroyObject(session, handle))
}

/** Undefined if another process has destroyed the object since it was found. */
export function unlessGone<T>(use: () => T): T | undefined {
  try {
    return use()
  } catch (error) {
    if (returnValueOf(error) === ckr.OBJECT_HANDLE_INVALID) return undefined
    throw error
  }
}

/**
 * The attributes of an object; all must be present.
 *
 * @throws ERR_HSM_REFUSED, which names those that the token does not give
 */
export function attributes(
  cryptoki: Cryptoki,
  session: Handle,
  handle: Handle,
  types: readonly number[],
): readonly Buffer[] {
  try {
    return cryptoki
      .C_GetAttributeValue(
        session,
        handle,
        types.map((type) => ({ type })),
      )
      .map(({ value }) => Buffer.from(value))
  } catch (error) {
    const failure = hsmError(error, 'C_GetAttributeValue')
    if (!(failure instanceof HsmError) || !isNotGiven(error)) throw error
    const { returnValue } = failure
    // One call for several attributes does not tell which one the token refused.
    const missing = types.filter(
      (type) => types.length === 1 || optionalAttribute(cryptoki, session, handle, type) === undefined,
    )
    const names = (missing.length === 0 ? types : missing)
      .map((type) => nameOfNumber('CKA_', type))
      .join(', ')
    const what = `the token does not give ${names} of the object: C_GetAttributeValue returned ${returnValue}`
    throw new HsmError('ERR_HSM_REFUSED', what, returnValue, 'request', error)
  }
}

function isNotGiven(error: unknown): boolean {
  const value = returnValueOf(error)
  return value === ckr.ATTRIBUTE_TYPE_INVALID || value === ckr.ATTRIBUTE_SENSITIVE
}

/** An optional attribute; undefined if absent, empty or not readable. */
export function optionalAttribute(
  cryptoki: Cryptoki,
  session: Handle,
  handle: Handle,
  type: number,
): Buffer | undefined {
  try {
    const [found] = cryptoki.C_GetAttributeValue(session, handle, [{ type }])
    return found === undefined || found.value.length === 0 ? undefined : Buffer.from(found.value)
  } catch (error) {
    if (isNotGiven(error)) return undefined
    throw error
  }
}

/** CKA_LABEL and CKA_ID of an object. */
export function nameOf(cryptoki: Cryptoki, session: Handle, handle: Handle): ObjectName {
  const label = optionalAttribute(cryptoki, session, handle, ck.CKA_LABEL)
  const objectId = optionalAttribute(cryptoki, session, handle, ck.CKA_ID)
  return { label: label?.toString('utf8') ?? '', objectId: objectId ?? Buffer.alloc(0) }
}

function named(cryptoki: Cryptoki, session: Handle, objectClass: number, id: string): readonly TokenObject[] {
  const found = list(cryptoki, session, objectClass, [{ type: ck.CKA_LABEL, value: id }])
  // On a token with short CKA_IDs the version is in the label, which cannot be searched by prefix.
  return found.length > 0
    ? found
    : list(cryptoki, session, objectClass, []).filter((object) => object.id === id)
}

function list(
  cryptoki: Cryptoki,
  session: Handle,
  objectClass: number,
  filter: readonly Attribute[],
): readonly TokenObject[] {
  return findObjects(cryptoki, session, [{ type: ck.CKA_CLASS, value: objectClass }, ...filter]).flatMap(
    (handle) =>
      unlessGone(() => {
        const name = nameOf(cryptoki, session, handle)
        return { handle, ...name, ...readName(name) }
      }) ?? [],
  )
}

function findObjects(cryptoki: Cryptoki, session: Handle, template: readonly Attribute[]): Handle[] {
  cryptoki.C_FindObjectsInit(session, template)
  const found: Handle[] = []
  // A failure closes the session, which ends the search. C_FindObjectsFinal is
  // not called then: its failure would replace the first one.
  for (;;) {
    const batch = cryptoki.C_FindObjects(session, 32)
    found.push(...batch)
    if (batch.length < 32) break
    if (found.length > maxObjects) {
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxObjects} objects in the token match`)
    }
  }
  cryptoki.C_FindObjectsFinal(session)
  return found
}

const maxObjects = 10_000
