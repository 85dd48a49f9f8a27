// Dates in another form than that of RFC 5280 §4.1.2.5 which still name one instant: without seconds, with a
// fraction or an offset (X.680 46.3, 47.3).

import { tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'

/**
 * Reads the next element, of any type, as milliseconds since the epoch; undefined if it is not a date, or is
 * a local time without an offset. For signed objects that are used for revocations only.
 *
 * @throws ERR_DER if the end of the element cannot be determined
 */
export function readCertainTime(reader: DerReader): number | undefined {
  const tag = reader.next('a date')
  const text = Buffer.from(reader.content().subarray(0, maxOctets + 1)).toString('latin1')
  const parts = forms.get(tag)?.exec(text)?.groups
  return parts && instantOf(parts)
}

/** The named groups of a form. */
function instantOf(parts: Partial<Record<string, string>>): number | undefined {
  const { year = '', rest = '', seconds = '00', fraction = '0' } = parts
  const century = year.length === 4 ? '' : Number(year) < 50 ? '20' : '19'
  const digits = `${century}${year}${rest}${seconds}`
  const plain = digits.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6')
  const instant = Date.parse(`${plain}.000Z`)
  // Date.parse reads 30 February and 24:00 as the next day.
  if (Number.isNaN(instant) || new Date(instant).toISOString() !== `${plain}.000Z`) return undefined
  return instant + Math.floor(Number(`0.${fraction}`) * 1000) - offsetOf(parts)
}

/** How far the local time is ahead of UTC. */
function offsetOf({ sign, hours = '0', minutes = '0' }: Partial<Record<string, string>>): number {
  return (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1)
}

const zone = '(?:Z|(?<sign>[+-])(?<hours>[01][0-9]|2[0-3])(?<minutes>[0-5][0-9]))'
const utcTime = new RegExp(`^(?<year>[0-9]{2})(?<rest>[0-9]{8})(?<seconds>[0-9]{2})?${zone}$`)
const generalizedTime = new RegExp(
  `^(?<year>[0-9]{4})(?<rest>[0-9]{8})(?:(?<seconds>[0-9]{2})(?:[.,](?<fraction>[0-9]{1,9}))?)?${zone}$`,
)
const forms: ReadonlyMap<number, RegExp> = new Map([
  [tags.utcTime, utcTime],
  [tags.generalizedTime, generalizedTime],
])
const maxOctets = 32
