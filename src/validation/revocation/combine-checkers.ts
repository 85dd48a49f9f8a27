// Combines several revocation sources into one.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import { checkerThat } from '../revocation-contract.ts'
import type { RevocationChecker, RevocationJudgement } from '../revocation-contract.ts'

interface CombineOptions {
  /**
   * `all`: every source must accept the certificate; `one`: one source with positive information is enough.
   * Default `all`.
   */
  readonly sufficient?: 'all' | 'one' | undefined
}

/**
 * Combines several sources: each of them must accept a certificate. A source that reports "revoked" refuses
 * it, and so does a source in `hard-fail` mode without an answer. With `sufficient: 'one'`, a source with a
 * good status for the certificate takes precedence over sources without an answer. A source that only skips
 * the certificate (`off`, `soft-fail`, outside its scope) does not.
 *
 * @throws ERR_INVALID_ARGUMENT for an empty list, a value that is not a source, and an unknown `sufficient`
 */
export function combineRevocationCheckers(
  checkers: readonly RevocationChecker[],
  options: CombineOptions = {},
): RevocationChecker {
  const { sufficient = 'all' } = readOptions<CombineOptions>('combineRevocationCheckers', options, {
    sufficient: 'optional',
  })
  const sources = sourcesOf(checkers)
  if (!sufficiencies.includes(sufficient))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `sufficient is ${JSON.stringify(sufficient)}; expected all or one`,
    )
  return checkerThat((query) => {
    const unknown: Rejection[] = []
    let knownGood = false
    for (const source of sources) {
      const judged = source.judge === undefined ? judgementOf(source.check(query)) : source.judge(query)
      if (judged.rejection !== undefined && judged.rejection.code !== 'ERR_REVOCATION_UNKNOWN') return judged
      if (judged.rejection !== undefined) unknown.push(judged.rejection)
      knownGood ||= judged.knownGood
    }
    return { rejection: sufficient === 'one' && knownGood ? undefined : unknownOf(unknown), knownGood }
  })
}

function sourcesOf(checkers: unknown): readonly RevocationChecker[] {
  const list: readonly unknown[] = Array.isArray(checkers) ? checkers : []
  if (list.length === 0) throw new PkiError('ERR_INVALID_ARGUMENT', 'the list of checkers is empty')
  for (const [index, checker] of list.entries()) {
    if (typeof (Object(checker) as Partial<RevocationChecker>).check !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', `checkers[${index}] has no method check`)
  }
  return Object.freeze([...list]) as readonly RevocationChecker[]
}

/** The first source without an answer, with the reasons of all. */
function unknownOf(rejections: readonly Rejection[]): Rejection | undefined {
  const [first, ...others] = rejections
  if (first === undefined || others.length === 0) return first
  const messages = [...new Set(rejections.map(({ message }) => message))]
  return reject(first.code, first.rule, messages.join('; another source: '), first.certificate)
}

function judgementOf(rejection: Rejection | undefined): RevocationJudgement {
  return { rejection, knownGood: rejection === undefined }
}

const sufficiencies: readonly unknown[] = ['all', 'one']
