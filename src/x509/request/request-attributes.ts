// The attributes of a certification request: RFC 2986 section 4.1, RFC 2985 sections 5.4.1 and 5.4.2.

import {
  DerReader,
  checkWellFormed,
  contextConstructed,
  directoryString,
  isStringTag,
  oid,
  oidContent,
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

/** The attributes, and the content of the extension request. */
export interface ReadAttributes {
  readonly attributes: readonly RequestAttribute[]
  readonly requested: DerReader | undefined
}

/**
 * `[0] IMPLICIT SET OF Attribute`.
 * @throws ERR_CSR_MALFORMED, ERR_DER, ERR_OID_INVALID, ERR_LIMIT_EXCEEDED
 */
export function readAttributes(info: DerReader): ReadAttributes {
  const attributes: RequestAttribute[] = []
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

/** The text of the challenge password (RFC 2985 §5.4.1). @throws ERR_CSR_MALFORMED, ERR_STRING_INVALID */
export function readChallengePassword(attributes: readonly RequestAttribute[]): string | undefined {
  const attribute = attributes.find(({ type }) => type === challengePasswordType)
  if (attribute === undefined) return undefined
  const reader = new DerReader(attribute.values[0] as Uint8Array)
  if (attribute.values.length !== 1 || !isStringTag(reader.next('challengePassword')))
    throw new PkiError('ERR_CSR_MALFORMED', 'challengePassword: expected one string (RFC 2985 5.4.1)')
  return stringContent(reader, 'challengePassword')
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

function readAttribute(reader: DerReader): RequestAttribute {
  const type = oidContent(reader.expect(tags.oid, 'attribute type'))
  const set = reader.expect(tags.set, `attribute ${type}: values`).inner()
  checkWellFormed(reader.element(), `attribute ${type}`)
  reader.finish('Attribute')
  const values: Uint8Array[] = []
  while (!set.done) {
    set.next('attribute value')
    values.push(set.element())
  }
  if (values.length === 0)
    throw new PkiError(
      'ERR_CSR_MALFORMED',
      `attribute ${type} has no value (RFC 2986 4.1: SET SIZE (1..MAX))`,
    )
  return { type, values }
}

/**
 * The requested extensions. Microsoft's tools use the same type under another identifier. If a request has
 * both, they must be equal; otherwise two readers would see different requests.
 */
function readExtensionRequest(attributes: readonly RequestAttribute[]): DerReader | undefined {
  let found: Uint8Array | undefined
  for (const { type, values } of attributes) {
    if (type !== extensionRequestType && type !== microsoftExtensionRequestType) continue
    const [value] = values as readonly [Uint8Array, ...Uint8Array[]]
    if (values.length !== 1)
      throw new PkiError(
        'ERR_DER',
        `extensionRequest: found ${values.length} values, expected one (RFC 2985 5.4.2)`,
      )
    if (found !== undefined && !equalBytes(found, value))
      throw new PkiError('ERR_CSR_MALFORMED', 'the two extension requests are different')
    found = value
  }
  if (found === undefined) return undefined
  const list = new DerReader(found).expect(tags.sequence, 'extensionRequest').inner()
  return list.done ? undefined : list
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
