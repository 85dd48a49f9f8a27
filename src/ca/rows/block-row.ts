// Conversion between the block-list and rows of the table `renewal_blocks`.

import { SpiffeId } from '../../spiffe/index.ts'
import type { SerialNumber } from '../../x509/index.ts'
import { blockedSubjectText } from '../blocks/renewal-blocks.ts'
import type { RenewalBlock } from '../blocks/renewal-blocks.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import { checkDates } from '../records/store-options.ts'
import { RowReader } from './row-reader.ts'
import type { ColumnValue, Row } from './row-reader.ts'

/** The columns of `renewal_blocks`, in the order of `blockValues`. `subject` is the key. */
export const blockColumns = ['subject', 'reason', 'since_ms'] as const

/** The row of a block. @throws ERR_INVALID_ARGUMENT for an invalid date */
export function blockValues({ subject, reason, since }: RenewalBlock): ColumnValue[] {
  checkDates('add', { since })
  return [blockedSubjectText(subject), reason, since.getTime()]
}

/** A block from its row; frozen. @throws ERR_STORE_CORRUPT */
export function blockOfRow(row: Row): RenewalBlock {
  const read = new RowReader('renewal_blocks', row)
  return Object.freeze({
    subject: Object.freeze(subjectOf(read)),
    reason: read.text('reason'),
    since: read.time('since_ms'),
  })
}

function subjectOf(read: RowReader): RenewalBlock['subject'] {
  const text = read.text('subject')
  const [kind, first = '', second = ''] = text.split(' ')
  let subject: RenewalBlock['subject'] | undefined
  if (kind === 'identity') {
    try {
      subject = { identity: SpiffeId.parse(first) }
    } catch (cause) {
      throw read.corrupt('subject', 'a SPIFFE ID', cause)
    }
  } else if (kind === 'issuer') subject = { issuer: first as KeyIdentifier }
  else if (kind === 'key') subject = { keyIdentifier: first as KeyIdentifier }
  else if (kind === 'certificate')
    subject = { certificate: { issuer: first as KeyIdentifier, serialNumber: second as SerialNumber } }
  if (subject !== undefined && blockedSubjectText(subject) === text && !/ $/.test(text)) return subject
  throw read.corrupt('subject', 'an identity, a key, a certificate or an issuer')
}
