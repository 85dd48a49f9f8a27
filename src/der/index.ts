// Strict DER, for this package only: a bounded cursor that slices, decoders for primitive types, and writers.
export { DerReader, readerOf, readWhole } from './der-reader.ts'
export type { DerInput } from './der-reader.ts'
export { checkWellFormed } from './well-formed.ts'
export { contextConstructed, contextPrimitive, tags, checkOid, decodeOid, encodeOid } from './primitives.ts'
export {
  bitStringContent,
  booleanContent,
  checkInteger,
  integerContent,
  lenientNamedBits,
  namedBits,
  nullContent,
  oidContent,
  readOid,
  smallInteger,
  wholeOctetsBitString,
} from './primitives.ts'
export type { BitString } from './primitives.ts'
export {
  encodeGeneralizedTime,
  encodeTime,
  generalizedTimeContent,
  readTime,
  utcTimeContent,
} from './time.ts'
export { ia5Text, isStringTag, stringContent } from './strings.ts'
export {
  bitString,
  boolean,
  directoryString,
  element,
  explicit,
  headerLength,
  ia5String,
  implicit,
  integer,
  namedBitString,
  nullElement,
  octetString,
  oid,
  sequence,
  setOf,
  unsignedInteger,
  utf8String,
  writeHeader,
} from './der-writer.ts'
