// The attributes of a certification request: RFC 2986 section 4.1, RFC 2985 sections 5.4.1 and 5.4.2.

import {
  DerReader,
  checkWellFormed,
  contextConstructed,
  directoryString,
  isStringTag,
  oid,
  readOid,
  sequence,
  setOf,
  stringContent,
  tags,
} from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { encodeExtension } from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'

/** One attribute: its type and the DER of its values. @inline */
export interface RequestAttribute {
  /** Object identifier, dotted. */
  readonly type: string
  /** DER of each value; at least one. */
  readonly values: readonly Uint8Array[]
}

/** An attribute as found: the octets of its SET of values are decoded on first use. */
export interface FoundAttribute {
  readonly type: string
  /** The content of the SET; not advanced. */
  readonly set: DerReader
}

/** The attributes, and the content of the extension request. */
export interface ReadAttributes {
  readonly attributes: readonly FoundAttribute[]
  readonly requested: DerReader | undefined
}

/**
 * `[0] IMPLICIT SET OF Attribute`. Only the values of an extension request are read: a CA that does not use
 * an attribute has no reason to refuse the request for it.
 *
 * @throws ERR_CSR_MALFORMED, ERR_DER, ERR_OID_INVALID, ERR_LIMIT_EXCEEDED
 */
export function readAttributes(info: DerReader): ReadAttributes {
  const attributes: FoundAttribute[] = []
  const set = info.expect(contextConstructed(0), absentAttributes).inner()
  while (!set.done) {
    if (attributes.length >= maxAttributes)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxAttributes} attributes`)
    const attribute = readAttribute(set.expect(tags.sequence, 'Attribute').inner())
    if (attributes.some(({ type }) => type === attribute.type))
      throw new PkiError('ERR_CSR_MALFORMED', `the attribute ${attribute.type} appears twice`)
    attributes.push(attribute)
  }
  return { attributes, requested: readExtensionRequest(attributes) }
}

/**
 * DER of the values of an attribute.
 * @throws ERR_CSR_MALFORMED if there is none; ERR_DER, ERR_DER_DEPTH, ERR_OID_INVALID, ERR_STRING_INVALID,
 *   ERR_TIME_INVALID for a value that is not DER, or a SET OF that is not sorted
 */
export function valuesOf({ type, set }: FoundAttribute): readonly Uint8Array[] {
  const values: Uint8Array[] = []
  for (const each = copyOf(set); !each.done;) {
    each.next(`attribute ${type}: value`)
    const value = each.element()
    checkWellFormed(value, `attribute ${type}`)
    const before = values.at(-1)
    if (before !== undefined && Buffer.compare(before, value) > 0 && before[0] === value[0])
      throw new PkiError('ERR_DER', `attribute ${type}: the values are not in ascending order (X.690 11.6)`)
    values.push(value)
  }
  if (values.length === 0) throw withoutValue(type)
  return Object.freeze(values)
}

/** The text of the challenge password (RFC 2985 §5.4.1). @throws ERR_CSR_MALFORMED, ERR_STRING_INVALID */
export function readChallengePassword(attributes: readonly FoundAttribute[]): string | undefined {
  const attribute = attributes.find(({ type }) => type === challengePasswordType)
  if (attribute === undefined) return undefined
  const values = copyOf(attribute.set)
  const isString = !values.done && isStringTag(values.next('challengePassword'))
  if (!isString || values.offset !== values.end)
    throw new PkiError('ERR_CSR_MALFORMED', 'challengePassword: expected one string (RFC 2985 5.4.1)')
  return stringContent(values, 'challengePassword')
}

/**
 * DER of the attributes of a new request, in the order that DER requires for a SET OF.
 * @throws ERR_INVALID_ARGUMENT, ERR_OID_INVALID, ERR_DER
 */
export function encodeAttributes(
  extensions: readonly Extension[],
  challengePassword: string | undefined,
  others: readonly RequestAttribute[],
): Uint8Array[] {
  const list: RequestAttribute[] = []
  if (extensions.length > 0)
    list.push({ type: extensionRequestType, values: [sequence(...extensions.map(encodeExtension))] })
  if (challengePassword !== undefined)
    list.push({ type: challengePasswordType, values: [encodePassword(challengePassword)] })
  for (const attribute of others) {
    requireAttribute(attribute)
    if (list.some(({ type }) => type === attribute.type))
      throw new PkiError('ERR_INVALID_ARGUMENT', `attribute ${attribute.type} is given twice`)
    list.push(attribute)
  }
  return list
    .map(({ type, values }) => sequence(oid(type), setOf(...values)))
    .sort((a, b) => Buffer.compare(a, b))
}

function readAttribute(reader: DerReader): FoundAttribute {
  const type = readOid(reader, 'attribute type')
  const set = reader.expect(tags.set, `attribute ${type}: values`).inner()
  reader.finish('Attribute')
  return { type, set }
}

/**
 * The requested extensions, whose reader checks the rest of the value. Microsoft's tools use the same type
 * under another identifier. If a request has both, they must be equal; otherwise two readers would see
 * different requests.
 */
function readExtensionRequest(attributes: readonly FoundAttribute[]): DerReader | undefined {
  let found: Uint8Array | undefined
  let list: DerReader | undefined
  for (const { type, set } of attributes) {
    if (type !== extensionRequestType && type !== microsoftExtensionRequestType) continue
    if (set.done) throw withoutValue(type)
    const value = copyOf(set).expect(tags.sequence, 'extensionRequest')
    if (!value.done)
      throw new PkiError('ERR_DER', 'extensionRequest: found several values, expected one (RFC 2985 5.4.2)')
    const octets = value.element()
    if (found !== undefined && !equalBytes(found, octets))
      throw new PkiError('ERR_CSR_MALFORMED', 'the two extension requests are different')
    found = octets
    list = value.inner()
  }
  return list?.done === true ? undefined : list
}

function copyOf({ bytes, offset, end }: DerReader): DerReader {
  return new DerReader(bytes, offset, end)
}

function withoutValue(type: string): PkiError {
  return new PkiError('ERR_CSR_MALFORMED', `attribute ${type} has no value (RFC 2986 4.1: SET SIZE (1..MAX))`)
}

function requireAttribute(attribute: RequestAttribute): void {
  const { type, values } = Object(attribute) as { readonly type?: unknown; readonly values?: unknown }
  const isList = Array.isArray(values) && values.length > 0
  if (typeof type !== 'string' || !isList || !values.every((value) => value instanceof Uint8Array))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'an attribute needs a type and the DER of at least one value')
  for (const value of values as readonly Uint8Array[]) checkWellFormed(value, `attribute ${type}`)
}

/** RFC 2985 §5.4.1: at most 255 characters, as PrintableString if possible. */
function encodePassword(password: string): Uint8Array {
  if (typeof password !== 'string' || password.length === 0 || password.length > 255)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'challengePassword must be text of 1 to 255 characters')
  return directoryString(password)
}

const absentAttributes = 'attributes (RFC 2986 4.1: not OPTIONAL, the empty set is A0 00)'
const extensionRequestType = '1.2.840.113549.1.9.14'
const microsoftExtensionRequestType = '1.3.6.1.4.1.311.2.1.14'
const challengePasswordType = '1.2.840.113549.1.9.7'
const maxAttributes = 32
