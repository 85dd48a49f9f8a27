// The answer of a path validation: a path that was verified, or every path that was tried and why it was refused.
// Refused paths stand with the most telling first: how far a path came says more than how many failed.
// A verdict in words: which paths were tried, what was wrong with each, by which clause.

import { isPkiError, PkiError } from '../errors/index.ts'
import type { Certificate } from '../x509/index.ts'
import type { BudgetKind } from './budget.ts'
import { checkPolicies } from './policies/check-policies.ts'
import type { PolicyInputs } from './policies/check-policies.ts'
import { printable, shortened } from './rejection.ts'
import type { Rejection } from './rejection.ts'
import type { TrustAnchor } from './trust-anchor.ts'

/** What a verification spent, per kind of work. */
export type Spent = Readonly<Record<BudgetKind, number>>

/** Why one candidate path was refused, and how far it came: leaf first, the certificate at fault included. */
export interface RejectedPath extends Rejection {
  /** The certificates as far as the path came, leaf first. */
  readonly path: readonly Certificate[]
}

/** A path that passed every check. */
export interface AcceptedVerdict {
  /** True: there is a path that passed every check. */
  readonly ok: true
  /** The first path that passed. */
  readonly path: VerifiedPath
  /** The work that it took, by kind, to compare with the budget. */
  readonly spent: Spent
}

/** No path passed; the most telling failure first. */
export interface RejectedVerdict {
  /** False: no path passed. */
  readonly ok: false
  /** Every path that was tried, the most telling first. */
  readonly rejected: readonly RejectedPath[]
  /** How many more were refused: the list holds the 64 that came furthest. */
  readonly omitted?: number | undefined
  /** The work that it took, by kind, to compare with the budget. */
  readonly spent: Spent
}

/** What a verification answers: a verified path, or every path that was tried and what was wrong with it. */
export type Verdict = AcceptedVerdict | RejectedVerdict

/** What a `VerifiedPath` is made from. */
export interface VerifiedPathFields {
  readonly certificates: readonly Certificate[]
  readonly anchor: TrustAnchor
  readonly timeMs: number
  /** The certificates that policies hold for: all but the anchor's. */
  readonly below: readonly Certificate[]
  readonly policyInputs: PolicyInputs | undefined
}

/** A path that this package verified: nothing else can make one, so that an unverified chain cannot be passed for it. */
export class VerifiedPath {
  /** Leaf first; the anchor last where it was given as a certificate. */
  readonly certificates: readonly Certificate[]
  /** The anchor that the path ends at. */
  readonly anchor: TrustAnchor
  readonly #fields: VerifiedPathFields
  #policies: readonly string[] | undefined

  private constructor(fields: VerifiedPathFields) {
    this.certificates = fields.certificates
    this.anchor = fields.anchor
    this.#fields = fields
  }

  /** For `validation` only: the face of this folder exports the type, not the class. @internal */
  static seal(fields: VerifiedPathFields): VerifiedPath {
    return new VerifiedPath(fields)
  }

  /** Whether `value` was made by this package's validation. */
  static is(value: unknown): value is VerifiedPath {
    return typeof value === 'object' && value !== null && #fields in value
  }

  /** The certificate that was asked about. */
  get leaf(): Certificate {
    return this.certificates[0] as Certificate
  }

  /** The time for which the path was verified. */
  get time(): Date {
    return new Date(this.#fields.timeMs)
  }

  /** The user-constrained policy set of RFC 5280 §6.1.6: policies, in the anchor's own naming, that hold for the whole path. */
  get validPolicies(): readonly string[] {
    if (this.#policies === undefined) {
      const outcome = checkPolicies(this.#fields.below, this.#fields.policyInputs, this.anchor.certificate)
      this.#policies = 'policies' in outcome ? outcome.policies : []
    }
    return this.#policies
  }
}

/** Whether `value` is a path that was verified here: what a boundary that takes one asks at run time. */
export function isVerifiedPath(value: unknown): value is VerifiedPath {
  return VerifiedPath.is(value)
}

/** A refused path, thrown; the verdict says everything that the message does not. */
export class PathError extends PkiError {
  /** Every path that was tried; not enumerable, so that a log of the error stays short. */
  readonly verdict: RejectedVerdict

  constructor(verdict: RejectedVerdict) {
    const first = verdict.rejected[0]
    super(
      first?.code ?? 'ERR_PATH_ISSUER_UNKNOWN',
      first === undefined ? 'no path' : `${first.message} (${first.rule})`,
    )
    Object.defineProperty(this, 'verdict', { value: verdict, enumerable: false })
    this.verdict = verdict
  }
}

/**
 * Several lines of text for people: never parse it, the verdict has the same as data. Names come from outside and are quoted, with escapes
 * for what would break out of their line; a line has some 1,500 characters at most, the text some 64 KiB.
 */
export function explainVerdict(verdict: Verdict): string {
  // The same certificates stand in many paths.
  const described = new Map<Certificate, string>()
  const chain = (path: readonly Certificate[], atFault?: Certificate): string[] =>
    path.map((certificate, depth) => {
      const text = described.get(certificate) ?? describe(certificate)
      described.set(certificate, text)
      return `   ${'  '.repeat(depth)}${depth === 0 ? '' : '└ issued by '}${text}${certificate === atFault ? '  <-- here' : ''}`
    })
  if (verdict.ok)
    return ['Accepted.', ...chain(verdict.path.certificates), spending(verdict.spent)].join('\n')
  const { rejected, omitted = 0 } = verdict
  const tried = rejected.length + omitted
  const lines = [`Rejected: ${tried} ${tried === 1 ? 'path' : 'paths'} tried.`]
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
  const { candidates, signatureChecks, nameComparisons, policyNodes, pathLength, bytes } = spent
  return `Spent: ${candidates} candidates, ${signatureChecks} signature checks, ${nameComparisons} name comparisons, ${policyNodes} policy nodes, ${bytes} bytes; longest path ${pathLength}.`
}

function describe(certificate: Certificate): string {
  const subject = readable(() => certificate.subject.toString())
  const names = (): string =>
    (certificate.subjectAltName ?? [])
      .slice(0, 3)
      .map((name) => ('value' in name && typeof name.value === 'string' ? name.value : name.type))
      .join(', ')
  const shown = shortened(subject === '' ? readable(names) : subject, 200)
  return `${printable(JSON.stringify(shown))}, serial ${readable(() => certificate.serialNumber)}`
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

/**
 * How a path ended: its budget spent, complete but refused, an issuer that may not be one, a signature that does not verify
 * (often just another key of the same name), no issuer at all, a candidate that does not parse.
 */
export type PathEnd = 'budget' | 'complete' | 'link' | 'signature' | 'dead-end' | 'unread'

/** Collects refused paths; bounded, as inputs decide how many there are. */
export class RejectionList {
  readonly #found: { readonly rejected: RejectedPath; readonly rank: number }[] = []
  #omitted = 0

  /** How many were left out. */
  get omitted(): number {
    return this.#omitted
  }

  add(rejection: Rejection, path: readonly Certificate[], end: PathEnd): void {
    const rank = ranks[end] + path.length
    if (this.#found.length >= maxRejections) {
      this.#omitted++
      const weakest = this.#found.reduce(
        (least, each, at) => (each.rank < (this.#found[least]?.rank ?? 0) ? at : least),
        0,
      )
      if ((this.#found[weakest]?.rank ?? 0) >= rank) return
      this.#found.splice(weakest, 1)
    }
    this.#found.push({ rejected: { ...rejection, path: [...path] }, rank })
  }

  /** The most telling first. */
  sorted(): readonly RejectedPath[] {
    return this.#found.sort((a, b) => b.rank - a.rank).map(({ rejected }) => rejected)
  }
}

const ranks: Readonly<Record<PathEnd, number>> = {
  budget: 5000,
  complete: 4000,
  link: 3000,
  signature: 2000,
  'dead-end': 1000,
  unread: 0,
}

const maxRejections = 64
const maxTextLength = 64 * 1024
