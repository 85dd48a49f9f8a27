// PEM (RFC 7468): blocks with a requested label are parsed strictly; other
// blocks and text around blocks are skipped.

import { isPkiError, PkiError } from '../errors/index.ts'
import { requireOctets } from './bytes.ts'
import { decodeBase64Lines, encodeBase64Lines } from './encodings/base64.ts'
import { hiddenBy, isUtf16 } from './encodings/hidden-pem.ts'

/** One block: its label and octets. */
export interface PemBlock {
  readonly label: string
  readonly der: Uint8Array
}

/**
 * The blocks with one of these labels (all blocks without `labels`), in order. Blocks with other labels (keys
 * with headers, PGP, OpenVPN), text around blocks (RFC 7468 §2, §5.2) and a byte order mark are skipped.
 *
 * @throws ERR_PEM for a requested block that is truncated, nested, empty, has headers, is not canonical
 *   base64, or whose BEGIN or END does not have its own line; ERR_LIMIT_EXCEEDED; ERR_INVALID_ARGUMENT for
 *   another type than string or octets
 */
export function decodePem(
  pem: string | Uint8Array,
  labels?: readonly string[] | ((label: string) => boolean),
  maxLength: number = defaultMaxLength,
): PemBlock[] {
  const text = textOf(pem, maxLength)
  const isAsked = typeof labels === 'function' ? labels : (label: string) => labels?.includes(label) !== false
  const blocks: PemBlock[] = []
  for (let at = 0; ;) {
    const mark = nextMark(text, at)
    if (mark === undefined) return blocks
    if (!isAsked(mark.label)) {
      at = mark.end
      continue
    }
    if (blocks.length >= maxBlocks)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxBlocks} PEM blocks`)
    let end: Mark
    try {
      end = blockAt(text, mark, blocks)
    } catch (error) {
      throw blocks.length > 0 && isPkiError(error, 'ERR_PEM') ? placed(error, blocks.length + 1) : error
    }
    at = end.end
  }
}

/** Adds the block that begins at a mark; returns its END mark. */
function blockAt(text: string, mark: Mark, blocks: PemBlock[]): Mark {
  if (!startsLine(text, mark.start)) throw fault(mark.label, 'BEGIN is not at the start of its line')
  if (mark.kind === endMark) throw fault(mark.label, 'an END line has no BEGIN line before it')
  const end = endOf(text, mark)
  blocks.push({ label: mark.label, der: decodeBody(text, mark.end, end.start, mark.label) })
  return end
}

/** Adds the place of the block among the requested blocks, from 1. */
function placed(error: PkiError, place: number): PkiError {
  return new PkiError('ERR_PEM', `block ${place}: ${error.message}`, { cause: error })
}

/** The octets of every block with one of these labels. @throws ERR_PEM if there is none; as `decodePem` */
export function decodePemBlocks(
  pem: string | Uint8Array,
  labels: readonly string[],
  maxLength?: number,
): Uint8Array[] {
  const blocks = decodePem(pem, labels, maxLength)
  if (blocks.length === 0) {
    const found = foundLabels(pem)
    const advice = /"(?:PKCS ?#?7|CMS)/.test(found) ? pkcs7 : ''
    throw new PkiError(
      'ERR_PEM',
      `expected a PEM block labelled ${labels[0] as string}, found ${found}${advice}`,
    )
  }
  return blocks.map(({ der }) => der)
}

/**
 * The octets of the only block with one of these labels.
 * @throws ERR_PEM if there are several; as `decodePemBlocks`
 */
export function decodeOnePem(
  pem: string | Uint8Array,
  labels: readonly string[],
  maxLength?: number,
): Uint8Array {
  const only = typeof pem === 'string' ? onlyBlock(pem, labels[0] as string, maxLength) : undefined
  if (only !== undefined) return only
  const found = decodePemBlocks(pem, labels, maxLength)
  if (found.length !== 1)
    throw new PkiError(
      'ERR_PEM',
      `expected one PEM block labelled ${labels[0] as string}, found ${found.length}`,
    )
  return found[0] as Uint8Array
}

/**
 * For speed alone (row parse/request-pem): a text that is one block from its first character to its last. A
 * dash is not a base64 character, so a dash in the body is refused and there is no second block. Undefined
 * for every other text, and for an invalid body: `decodePem` then reads the text and reports the fault.
 */
function onlyBlock(text: string, label: string, maxLength = defaultMaxLength): Uint8Array | undefined {
  const { first, last } = (frames[label] ??= frameOf(label))
  const end = text.length - last.length - (text.endsWith('\n') ? 1 : 0)
  const isFramed = text.length <= maxLength && end >= first.length && text.startsWith(first)
  if (!isFramed || !text.startsWith(last, end)) return undefined
  try {
    const octets = decodeBase64Lines(text, first.length, end)
    return octets.length === 0 ? undefined : octets
  } catch {
    return undefined
  }
}

/** The first line of a block, and the last one after the end of the line before it. */
function frameOf(label: string): { readonly first: string; readonly last: string } {
  return { first: `${beginMark}${label}${dashes}\n`, last: `\n${endMark}${label}${dashes}` }
}

/** The first and last lines by label. Readers of one block use few labels. */
const frames: Record<string, ReturnType<typeof frameOf> | undefined> = Object.create(null) as typeof frames

/** One block: lines of 64 characters, `\n` after each. */
export function encodePem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${encodeBase64Lines(der)}-----END ${label}-----\n`
}

/** Whether bytes look like text with a PEM block, not DER. */
export function looksLikePem(bytes: Uint8Array): boolean {
  requireOctets(bytes, 'the input')
  // 30 and a length of several octets: the second octet does not occur in text.
  if (bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80) return false
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (octets.includes(beginMark)) return true
  // Other text is refused by the PEM reader, whose message is about text. The DER objects that this package
  // reads have control octets near the start, so they do not match.
  const head = octets.toString('latin1', 0, 256)
  return isUtf16(head) || /^[\t\n\r -~]{32}/.test(head)
}

/** A BEGIN or END mark: where it starts, and where the text after its dashes begins. */
interface Mark {
  readonly kind: typeof beginMark | typeof endMark
  readonly label: string
  readonly start: number
  readonly end: number
}

/** Octets as latin-1: an octet above 7F becomes a character outside the PEM alphabet. */
function textOf(pem: string | Uint8Array, maxLength: number): string {
  if (typeof pem !== 'string') requireOctets(pem, 'PEM')
  if (pem.length > maxLength)
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `the PEM text has ${pem.length} characters; the maximum is ${maxLength}`,
    )
  return typeof pem === 'string'
    ? pem
    : Buffer.from(pem.buffer, pem.byteOffset, pem.length).toString('latin1')
}

/** The next mark at the start of a line, optionally after blanks. Dashes elsewhere are text. */
function nextMark(text: string, from: number): Mark | undefined {
  for (let at = from; ; at += dashes.length) {
    at = text.indexOf(dashes, at)
    if (at < 0) return undefined
    if (!startsLine(text, at) && !followsBlanks(text, at)) continue
    const mark = markAt(text, at)
    if (mark !== undefined) return mark
  }
}

function markAt(text: string, at: number): Mark | undefined {
  const kind = text.startsWith(beginMark, at) ? beginMark : text.startsWith(endMark, at) ? endMark : undefined
  if (kind === undefined) return undefined
  const labelStart = at + kind.length
  const labelEnd = text.indexOf(dashes, labelStart)
  if (labelEnd < 0 || labelEnd - labelStart > maxLabelLength) return undefined
  const label = text.slice(labelStart, labelEnd)
  if (/[\r\n]/.test(label)) return undefined
  return { kind, label, start: at, end: labelEnd + dashes.length }
}

/** The END mark of a requested block. @throws ERR_PEM */
function endOf(text: string, begin: Mark): Mark {
  const { label } = begin
  if (/^(?:\\r)?\\n/.test(text.slice(begin.end, begin.end + 4)))
    throw fault(label, 'the line ends are the two characters \\n')
  if (!endsLine(text, begin.end)) throw fault(label, 'text follows the dashes of the BEGIN line')
  const start = text.indexOf(endMark, begin.end)
  const end = start < 0 ? undefined : markAt(text, start)
  if (end === undefined) throw fault(label, 'no END line')
  if (!startsLine(text, start)) throw fault(label, 'END is not at the start of its line')
  if (end.label !== label) throw fault(label, 'the END line has another label')
  if (!endsLine(text, end.end)) throw fault(label, 'text follows the dashes of the END line')
  return end
}

function decodeBody(text: string, start: number, end: number, label: string): Uint8Array {
  let octets: Uint8Array
  try {
    octets = decodeBase64Lines(text, start, end)
  } catch (cause) {
    const body = text.slice(start, end)
    const hasHeaders = body.includes(':') || body.includes('-')
    throw fault(
      label,
      hasHeaders ? 'the block has headers or a line of dashes inside' : 'the content is not canonical base64',
      cause,
    )
  }
  if (octets.length === 0) throw fault(label, 'the block is empty')
  return octets
}

/** Describes a text without the requested blocks: its other labels, or an encoding of the whole text. */
export function foundLabels(pem: string | Uint8Array): string {
  const text = textOf(pem, Infinity)
  const labels = new Set<string>()
  for (let at = 0; labels.size < 5;) {
    const mark = nextMark(text, at)
    if (mark === undefined) break
    if (mark.kind === beginMark) labels.add(`"${shownLabel(mark.label)}"`)
    at = mark.end
  }
  return labels.size === 0 ? `no PEM block${hiddenBy(text)}` : `only ${[...labels].join(', ')}`
}

/** A label shortened for a message: in a damaged file, the label can contain key material. */
function shownLabel(label: string): string {
  return /^[\w.#/-]{1,16}(?: [\w.#/-]{1,16}){0,5}$/.test(label)
    ? label
    : `with a label of ${label.length} characters`
}

function fault(label: string, what: string, cause?: unknown): PkiError {
  return new PkiError('ERR_PEM', `PEM block ${shownLabel(label)}: ${what} (RFC 7468)`, { cause })
}

/**
 * Whether an offset is at the start of a line. A byte order mark before it (as text, or as latin-1 octets)
 * does not count as text, on any line, because files that begin with one may be concatenated.
 */
function startsLine(text: string, at: number): boolean {
  if (followsLineEnd(text, at) || (text[at - 1] === '\uFEFF' && followsLineEnd(text, at - 1))) return true
  return text.startsWith('\u00EF\u00BB\u00BF', at - 3) && followsLineEnd(text, at - 3)
}

function followsLineEnd(text: string, at: number): boolean {
  return at === 0 || text[at - 1] === '\n' || text[at - 1] === '\r'
}

/** Whether only blanks, 64 at most, precede an offset on its line: an indented mark is an error, not text. */
function followsBlanks(text: string, at: number): boolean {
  return /(?:^|[\r\n])[ \t]{1,64}$/.test(text.slice(Math.max(0, at - 65), at))
}

/** Whether only blanks follow on this line. */
function endsLine(text: string, at: number): boolean {
  let code = text.charCodeAt(at)
  while (code === 0x20 || code === 0x09) code = text.charCodeAt(++at)
  return Number.isNaN(code) || code === 0x0a || code === 0x0d
}

const pkcs7 = '; convert the PKCS#7 file: openssl pkcs7 -in OLD -print_certs -out NEW'
const dashes = '-----'
const beginMark = '-----BEGIN '
const endMark = '-----END '
/** A longer label makes the line text. */
const maxLabelLength = 64
const maxBlocks = 65_536
/** 64 MiB: enough for a CRL with a million entries. */
const defaultMaxLength = 64 * 1024 * 1024
