// A verdict in words: which paths were tried, what was wrong with each, by which clause.

import { isPkiError } from '../errors/index.ts'
import type { Certificate } from '../x509/index.ts'
import type { RejectedPath, Verdict } from './verdict.ts'

/** Several lines of text for people: never parse it, the verdict has the same as data. */
export function explainVerdict(verdict: Verdict): string {
  const { candidates, signatureChecks, nameComparisons } = verdict.spent
  const spent = `Spent: ${candidates} candidates, ${signatureChecks} signature checks, ${nameComparisons} name comparisons.`
  if (verdict.ok) return printable(['Accepted.', ...chain(verdict.path.certificates), spent])
  const paths = verdict.rejected.flatMap((rejected, at) => [`${at + 1}. ${rejected.code}: ${rejected.message} [${rejected.rule}]`, ...where(rejected)])
  return printable([`Rejected: ${verdict.rejected.length} ${verdict.rejected.length === 1 ? 'path' : 'paths'} tried.`, ...paths, spent])
}

/** Names come from outside: what would move a terminal's cursor or turn the direction of text is written as an escape. */
function printable(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/\p{Cc}|\p{Cf}/gu, (found) => `\\u{${(found.codePointAt(0) as number).toString(16)}}`)).join('\n')
}

function where({ path, certificate }: RejectedPath): string[] {
  return chain(path, certificate)
}

function chain(path: readonly Certificate[], atFault?: Certificate): string[] {
  return path.map((certificate, depth) => {
    const mark = certificate === atFault ? '  <-- here' : ''
    return `   ${'  '.repeat(depth)}${depth === 0 ? '' : '└ issued by '}${describe(certificate)}${mark}`
  })
}

function describe(certificate: Certificate): string {
  const subject = readable(() => certificate.subject.toString())
  const names = readable(() => (certificate.subjectAltName ?? []).flatMap((name) => ('value' in name && typeof name.value === 'string' ? [name.value] : [])).slice(0, 3).join(', '))
  const shown = subject === '' ? names : subject
  return `${JSON.stringify(shown.slice(0, 200))}, serial ${readable(() => certificate.serialNumber)}`
}

/** Text from a certificate that may be malformed. */
function readable(read: () => string): string {
  try {
    return read()
  } catch (error) {
    if (!isPkiError(error)) throw error
    return 'unreadable'
  }
}
