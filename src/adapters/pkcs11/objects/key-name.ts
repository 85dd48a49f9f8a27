// The names of generated keys in a token: id, version, algorithm and time in CKA_LABEL and CKA_ID.

import { randomBytes, randomInt } from 'node:crypto'
import { isKeyAlgorithm, keyIdPattern } from '../../../keys/internal.ts'
import type { KeyAlgorithm } from '../../../keys/index.ts'

/** The information in the name of a key. */
export interface KeyTag {
  readonly version: number
  readonly created: Date
  readonly algorithm: KeyAlgorithm
}

/** CKA_LABEL and CKA_ID of both halves of a key pair. @inline */
export interface ObjectName {
  readonly label: string
  readonly objectId: Buffer
}

/**
 * CKA_LABEL is the id; CKA_ID has the tag, and 64 random bits so that two processes never choose the same.
 */
export function longName(id: string, { version, created, algorithm }: KeyTag): ObjectName {
  const random = randomBytes(8).toString('hex')
  return {
    label: id,
    objectId: Buffer.from(`spiffe-pki:${version}:${created.getTime()}:${algorithm}:${random}`),
  }
}

/** For tokens with a CKA_ID of two octets (YubiHSM 2): CKA_ID is random, and CKA_LABEL has the tag. */
export function shortName(id: string, { version, created, algorithm }: KeyTag): ObjectName {
  const objectId = Buffer.alloc(2)
  // 0 and 0xffff are reserved in YubiHSM 2.
  objectId.writeUInt16BE(randomInt(1, 0xffff))
  return { label: `${id}:${version}:${algorithm}:${created.getTime().toString(36)}`, objectId }
}

/**
 * The id and tag of an object; the tag is undefined for a key of another
 * program, and then the id is the label.
 */
export function readName({ label, objectId }: ObjectName): {
  readonly id: string
  readonly tag: KeyTag | undefined
} {
  const long = longPattern.exec(objectId.toString('latin1'))
  if (long !== null) return { id: label, tag: tagOf(long[1], Number(long[2]), long[3]) }
  const [, id = '', version, algorithm, created = ''] = shortPattern.exec(label) ?? []
  const tag = keyIdPattern.test(id) ? tagOf(version, Number.parseInt(created, 36), algorithm) : undefined
  return tag === undefined ? { id: label, tag } : { id, tag }
}

function tagOf(
  version: string | undefined,
  created: number,
  algorithm: string | undefined,
): KeyTag | undefined {
  if (algorithm === undefined || !isKeyAlgorithm(algorithm)) return undefined
  return { version: Number(version), created: new Date(created), algorithm }
}

const longPattern = /^spiffe-pki:(\d{1,9}):(\d{1,15}):([A-Za-z0-9-]{1,16}):[0-9a-f]{16}$/
const shortPattern = /^([^:]{1,128}):([1-9]\d{0,8}):([A-Za-z0-9-]{1,16}):([0-9a-z]{1,10})$/
