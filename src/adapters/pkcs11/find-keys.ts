// How callers select keys in a token: by id, CKA_LABEL or CKA_ID.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { keyIdPattern } from '../../keys/internal.ts'
import type { Cryptoki, Handle } from './cryptoki/cryptoki.ts'
import {
  findPrivateKeys,
  findPrivateKeysByObjectId,
  findPublicVersions,
  listPrivateKeys,
  versionOf,
} from './objects/key-objects.ts'
import type { TokenObject } from './objects/key-objects.ts'

/** Selects a private key of another program by CKA_ID, CKA_LABEL, or both. @inline */
export interface KeySelector {
  /** CKA_ID: one octet or more. */
  readonly objectId?: Uint8Array
  /** CKA_LABEL: any text. */
  readonly label?: string
}

/** A search template, and its text in messages. */
export interface KeySearch {
  readonly shown: string
  readonly find: (cryptoki: Cryptoki, session: Handle) => readonly TokenObject[]
}

/** @throws ERR_INVALID_ARGUMENT */
export function findKeys(key: Uint8Array | KeySelector): KeySearch {
  const given = key instanceof Uint8Array ? { objectId: key } : key
  const { objectId, label } = readOptions<KeySelector>('Pkcs11KeyManager.signerOf', given, {
    objectId: 'guard',
    label: 'guard',
  })
  if (objectId === undefined && typeof label !== 'string')
    throw invalid('a key must be selected by objectId (CKA_ID), label (CKA_LABEL) or both')
  if (objectId !== undefined && (!(objectId instanceof Uint8Array) || objectId.length === 0)) {
    throw invalid('objectId (CKA_ID) must have at least one octet')
  }
  const bytes = objectId === undefined ? undefined : Buffer.from(objectId)
  const shown = [
    ...(bytes === undefined ? [] : [`the CKA_ID ${bytes.toString('hex')}`]),
    ...(label === undefined ? [] : [`the CKA_LABEL ${JSON.stringify(label)}`]),
  ].join(' and ')
  return {
    shown,
    find: (cryptoki, session) =>
      (bytes === undefined
        ? listPrivateKeys(cryptoki, session)
        : findPrivateKeysByObjectId(cryptoki, session, bytes)
      ).filter((object) => label === undefined || object.label === label),
  }
}

/** The existing versions of a key, and versions whose number a public key still reserves. */
export function takenVersions(
  cryptoki: Cryptoki,
  session: Handle,
  id: string,
): { readonly versions: readonly number[]; readonly published: readonly number[] } {
  return {
    versions: findPrivateKeys(cryptoki, session, id).map(versionOf),
    published: findPublicVersions(cryptoki, session, id).map(versionOf),
  }
}

/** An id, or a label of another program with single blanks between its words. @throws ERR_INVALID_ARGUMENT */
export function requireLabel(id: string): string {
  if (
    typeof id === 'string' &&
    id.length <= 128 &&
    id.split(' ').every((word) => word !== '' && wordPattern.test(word)) &&
    keyIdPattern.test(id.replaceAll(' ', '-'))
  )
    return id
  throw invalid(
    'the id has other characters than letters, digits, dots, hyphens, underscores and single blanks, or ' +
      'more than 128; signerOf({ label }) finds a key by any CKA_LABEL',
  )
}

function invalid(what: string): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', what)
}

const wordPattern = /^[A-Za-z0-9._-]+$/
