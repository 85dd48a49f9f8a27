// A verdict as text: the tried paths, and the fault of each with its clause and its certificate.

import { PkiError } from '../../errors/index.ts'
import { nameOf } from '../../internal/options.ts'
import type { Certificate } from '../../x509/index.ts'
import { describeCertificate } from './describe-certificate.ts'
import { printable, shortened } from '../../internal/values/outside-text.ts'
import type { Spent, Verdict } from './verdict.ts'

/**
 * Several lines of text; the verdict has the same data. Names come from outside: they are quoted, and
 * characters that would start a new line or change the direction of text are escaped. A line has about 1,500
 * characters at most, the text about 64 KiB.
 */
export function explainVerdict(verdict: Verdict): string {
  requireVerdict(verdict)
  // Many paths contain the same certificates.
  const described = new Map<Certificate, string>()
  const chain = (path: readonly Certificate[], atFault?: Certificate): string[] =>
    path.map((certificate, depth) => {
      const text = described.get(certificate) ?? describeCertificate(certificate)
      described.set(certificate, text)
      const link = depth === 0 ? '' : '└ issued by '
      return `   ${'  '.repeat(depth)}${link}${text}${certificate === atFault ? '  <-- here' : ''}`
    })
  if (verdict.ok)
    return ['Accepted.', ...chain(verdict.path.certificates), spending(verdict.spent)].join('\n')
  const { rejected, omitted = 0 } = verdict
  const tried = rejected.length + omitted
  const at = verdict.time === undefined ? '' : ` The time is ${verdict.time.toISOString()}.`
  const lines = [`Rejected: ${tried} ${tried === 1 ? 'path' : 'paths'} tried.${at}`]
  let length = 0
  let shown = 0
  for (const { code, message, rule, path, certificate } of rejected) {
    if (length > maxTextLength) break
    shown++
    const block = [
      `${shown}. ${code}: ${shortened(printable(message), 1024)} [${printable(rule)}]`,
      ...chain(path, certificate),
    ]
    for (const line of block) length += line.length
    lines.push(...block)
  }
  if (shown < tried)
    lines.push(`${tried - shown} more ${tried - shown === 1 ? 'path is' : 'paths are'} not shown.`)
  return [...lines, spending(verdict.spent)].join('\n')
}

function spending(spent: Spent): string {
  const { candidates, signatureChecks, nameComparisons, policyNodes, pathCertificates, octets } = spent
  return (
    `Spent: ${candidates} candidates, ${signatureChecks} signature checks, ${nameComparisons} name ` +
    'comparisons, ' +
    `${policyNodes} policy nodes, ${octets} octets; longest path ${pathCertificates}.`
  )
}

const maxTextLength = 64 * 1024

function requireVerdict(verdict: Verdict): void {
  const { ok, path, rejected } = Object(verdict) as { ok?: unknown; path?: unknown; rejected?: unknown }
  if (ok === true ? path !== undefined : ok === false && Array.isArray(rejected)) return
  throw new PkiError('ERR_INVALID_ARGUMENT', `explainVerdict: expected a verdict, found ${nameOf(verdict)}`)
}
