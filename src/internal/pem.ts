// PEM: RFC 7468, strict inside a block, tolerant of CRLF and of text around blocks.

import { PkiError } from '../errors/index.ts'
import { decodeBase64Lines, encodeBase64Lines } from './bytes.ts'

/** One block: its label and octets. */
export interface PemBlock {
  readonly label: string
  readonly der: Uint8Array
}

/**
 * Every block of a text, in order; other text between blocks is passed over (RFC 7468 §5.2).
 *
 * @throws ERR_PEM where a block is cut off, nested, empty, has headers, or holds no canonical base64, or its marks have no line of their own;
 * ERR_LIMIT_EXCEEDED; ERR_INVALID_ARGUMENT for what is neither text nor octets
 */
export function decodePem(pem: string | Uint8Array, limit: number = defaultLimit): PemBlock[] {
  if (typeof pem !== 'string' && !(pem instanceof Uint8Array))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'PEM is text or octets')
  if (pem.length > limit)
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `PEM of ${String(pem.length)} characters; at most ${String(limit)} are read`,
    )
  const text =
    typeof pem === 'string' ? pem : Buffer.from(pem.buffer, pem.byteOffset, pem.length).toString('latin1')
  const blocks: PemBlock[] = []
  let at = 0
  for (;;) {
    const begin = text.indexOf(beginMark, at)
    const stray = text.indexOf(endMark, at)
    if (stray >= 0 && (begin < 0 || stray < begin))
      throw new PkiError('ERR_PEM', 'an END line without its BEGIN line')
    if (begin < 0) return blocks
    if (blocks.length >= maxBlocks)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxBlocks} PEM blocks`)
    if (begin > 0 && text[begin - 1] !== '\n' && text[begin - 1] !== '\r')
      throw new PkiError('ERR_PEM', 'a BEGIN line that does not start its line')
    const labelEnd = text.indexOf('-----', begin + beginMark.length)
    const label = text.slice(begin + beginMark.length, labelEnd)
    if (labelEnd < 0 || label.length > 64 || !/^[A-Z0-9]+(?:[ -][A-Z0-9]+)*$/.test(label)) {
      throw new PkiError('ERR_PEM', 'a BEGIN line whose label is malformed')
    }
    const bodyStart = labelEnd + 5
    if (!endsLine(text, bodyStart))
      throw new PkiError('ERR_PEM', `a ${label} block whose BEGIN line goes on after its dashes`)
    const end = text.indexOf(endMark, bodyStart)
    if (end < 0) throw new PkiError('ERR_PEM', `a ${label} block without its END line`)
    const endLine = `${endMark}${label}-----`
    if (text[end - 1] !== '\n' && text[end - 1] !== '\r')
      throw new PkiError('ERR_PEM', `a ${label} block whose END line does not start its line`)
    if (!text.startsWith(endLine, end))
      throw new PkiError('ERR_PEM', `a ${label} block that ends with another label`)
    blocks.push({ label, der: decodeBody(text, bodyStart, end, label) })
    at = end + endLine.length
    if (!endsLine(text, at))
      throw new PkiError('ERR_PEM', `a ${label} block whose END line goes on after its dashes`)
  }
}

/** The octets of every block with one of these labels. @throws ERR_PEM where there is none; as `decodePem` */
export function decodePemBlocks(
  pem: string | Uint8Array,
  labels: readonly string[],
  limit?: number,
): Uint8Array[] {
  const blocks = decodePem(pem, limit)
  const wanted = blocks.filter(({ label }) => labels.includes(label))
  if (wanted.length === 0) {
    const found =
      blocks.length === 0
        ? 'no PEM block'
        : `PEM blocks labelled ${[...new Set(blocks.map(({ label }) => label))].slice(0, 5).join(', ')}`
    throw new PkiError('ERR_PEM', `${found} where ${labels[0] as string} is wanted`)
  }
  return wanted.map(({ der }) => der)
}

/** The octets of the only block with one of these labels. @throws ERR_PEM where there are several; as `decodePemBlocks` */
export function decodeOnePem(
  pem: string | Uint8Array,
  labels: readonly string[],
  limit?: number,
): Uint8Array {
  const found = decodePemBlocks(pem, labels, limit)
  if (found.length !== 1)
    throw new PkiError('ERR_PEM', `${String(found.length)} ${labels[0] as string} blocks where one is wanted`)
  return found[0] as Uint8Array
}

/** One block: lines of 64 characters, `\n` after each. */
export function encodePem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${encodeBase64Lines(der)}-----END ${label}-----\n`
}

/** Whether bytes look like text with a PEM block, not DER. */
export function looksLikePem(bytes: Uint8Array): boolean {
  // 30 and a length of several octets: no text has the second.
  if (bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80) return false
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(beginMark)
}

function decodeBody(text: string, start: number, end: number, label: string): Uint8Array {
  let octets: Uint8Array
  try {
    octets = decodeBase64Lines(text, start, end)
  } catch (cause) {
    const body = text.slice(start, end)
    if (body.includes(':') || body.includes('-'))
      throw new PkiError('ERR_PEM', `a ${label} block with headers or a line of dashes inside`)
    throw new PkiError('ERR_PEM', `a ${label} block that is not canonical base64`, { cause })
  }
  if (octets.length === 0) throw new PkiError('ERR_PEM', `a ${label} block without content`)
  return octets
}

/** Whether nothing but blanks follows on this line. */
function endsLine(text: string, at: number): boolean {
  let code = text.charCodeAt(at)
  while (code === 0x20 || code === 0x09) code = text.charCodeAt(++at)
  return Number.isNaN(code) || code === 0x0a || code === 0x0d
}

const beginMark = '-----BEGIN '
const endMark = '-----END '
const maxBlocks = 65_536
/** 64 MiB: a CRL of a million entries fits. */
const defaultLimit = 64 * 1024 * 1024
