// Reads GeneralNames of every kind.

import {
  checkWellFormed,
  contextConstructed,
  contextPrimitive,
  ia5Text,
  oidContent,
  readOid,
  readWhole,
  tags,
} from '../../der/index.ts'
import type { DerInput, DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { DistinguishedName } from './distinguished-name.ts'
import { checkIpLength, checkNameText, uriText } from './general-name-rules.ts'
import type { GeneralName, GeneralNameUse } from './general-name.ts'
import { formatIpAddress } from './ip-address.ts'

/**
 * Reads the next element as a GeneralName.
 *
 * @throws ERR_NAME_INVALID, ERR_DER, ERR_STRING_INVALID, ERR_OID_INVALID
 */
export function readGeneralName(
  reader: DerReader,
  use: GeneralNameUse = 'name',
  tolerances: readonly Tolerance[] = noTolerances,
): GeneralName {
  const tag = reader.next('GeneralName')
  const { bytes, contentStart, contentEnd } = reader
  switch (tag) {
    case contextPrimitive(1):
      return { type: 'email', value: nameText(bytes, contentStart, contentEnd, 'rfc822Name') }
    case contextPrimitive(2):
      return { type: 'dns', value: nameText(bytes, contentStart, contentEnd, 'dNSName') }
    case contextPrimitive(6):
      return {
        type: 'uri',
        value: uriText(nameText(bytes, contentStart, contentEnd, 'uniformResourceIdentifier'), use),
      }
    case contextPrimitive(7):
      return ipName(reader.content(), use)
    case contextPrimitive(8):
      return { type: 'registeredId', oid: oidContent(reader, 'registeredID') }
    case contextConstructed(4): {
      // Name is a CHOICE, so its [4] is EXPLICIT (X.680 31.2.7).
      const inner = reader.inner().expect(tags.sequence, 'directoryName')
      inner.finish('directoryName')
      const name = DistinguishedName.over(inner.element(), tolerances, 'directoryName')
      void name.rdns
      return { type: 'directoryName', name }
    }
    case contextConstructed(0):
      return readOtherName(reader)
    case contextConstructed(3):
    case contextConstructed(5): {
      checkWellFormed(reader.element(), 'GeneralName')
      return { type: tag === contextConstructed(3) ? 'x400Address' : 'ediPartyName', der: reader.element() }
    }
    default:
      throw new PkiError(
        'ERR_NAME_INVALID',
        `GeneralName: tag 0x${tag.toString(16)} is not one of its kinds (RFC 5280 4.2.1.6)`,
      )
  }
}

/**
 * Reads everything up to the end as GeneralNames; at least one.
 *
 * @throws as `readGeneralName`, and ERR_LIMIT_EXCEEDED above `maxNames`
 */
export function readGeneralNames(
  reader: DerReader,
  what: string,
  tolerances: readonly Tolerance[] = noTolerances,
  use: GeneralNameUse = 'name',
): GeneralName[] {
  const names: GeneralName[] = []
  while (!reader.done) {
    if (names.length >= maxNames)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `${what}: more than ${String(maxNames)} names`)
    names.push(readGeneralName(reader, use, tolerances))
  }
  if (names.length === 0)
    throw new PkiError('ERR_NAME_INVALID', `${what}: the list of names is empty (RFC 5280: SIZE (1..MAX))`)
  return names
}

/**
 * Every name, of every kind, in order; at least one.
 * @throws ERR_DER, ERR_NAME_INVALID, ERR_STRING_INVALID, ERR_LIMIT_EXCEEDED
 */
export function parseAltName(
  der: DerInput,
  what: string,
  tolerances: readonly Tolerance[] = noTolerances,
  use: GeneralNameUse = 'name',
): readonly GeneralName[] {
  return readGeneralNames(readWhole(der, tags.sequence, what), what, tolerances, use)
}

function nameText(bytes: Uint8Array, start: number, end: number, what: string): string {
  checkNameText(bytes, start, end, what)
  return ia5Text(bytes, start, end, what)
}

function readOtherName(reader: DerReader): GeneralName {
  const inner = reader.inner()
  const type = readOid(inner, 'otherName type-id')
  const value = inner.expect(contextConstructed(0), 'otherName value').inner()
  value.next('otherName value')
  value.finish('otherName value')
  inner.finish('otherName')
  checkWellFormed(value.element(), 'otherName value')
  return { type: 'otherName', oid: type, value: value.element() }
}

function ipName(octets: Uint8Array, use: GeneralNameUse): GeneralName {
  const { length } = octets
  checkIpLength(length, use)
  const value =
    use !== 'constraint'
      ? formatIpAddress(octets)
      : `${formatIpAddress(octets.subarray(0, length / 2))}/${formatIpAddress(octets.subarray(length / 2))}`
  return { type: 'ip', address: octets, value }
}

/** Limits memory on hostile input; real certificates have below 200. */
const maxNames = 10_000
