// NIST PKITS of 2011: RFC 5280 section 6 with policies and CRLs, by certificates that follow section 4
// loosely.

import { validationProfiles, verifyPath } from '../../../src/validation/index.ts'
import { bytes, readDocuments } from '../corpus.ts'
import type { CorpusLoader } from '../corpus.ts'
import { crlRevocation } from './crl-revocation.ts'

interface PkitsCase {
  readonly id: string
  readonly features?: readonly string[]
  readonly trust_anchor: string
  readonly intermediates: readonly string[]
  readonly end_entity: string
  readonly crls: readonly string[]
  readonly validation_time: string
  readonly revocation: string
  readonly initial_explicit_policy: boolean
  readonly initial_policy_set: readonly string[]
  readonly initial_policy_mapping_inhibit: boolean
  readonly initial_inhibit_any_policy: boolean
  readonly expected: 'accept' | 'reject'
  readonly expected_user_constrained_policy_set?: readonly string[]
}

type Files = Readonly<Record<string, string>>

export const loadPkits: CorpusLoader = (data) => {
  const documents = readDocuments(data, 'pkits').filter(({ document }) => Array.isArray(document['cases']))
  if (documents.length === 0) return []
  const cases = documents.flatMap(({ document }) => {
    const certificates = document['certificates'] as Files
    const crls = document['crls'] as Files
    return (document['cases'] as PkitsCase[]).map((row) => ({
      id: row.id,
      expected: row.expected,
      run: () => run(row, certificates, crls),
    }))
  })
  return [{ name: 'pkits', bar: 1, cases }]
}

function run(row: PkitsCase, certificates: Files, crls: Files): boolean | 'unsupported' {
  // DSA is not an algorithm of this package, so that a path that needs it is refused for it.
  if (row.features?.includes('dsa') === true && row.expected === 'accept') return 'unsupported'
  const intermediates = row.intermediates.map((name) => bytes(certificates[name]!))
  const revocation =
    row.revocation === 'none'
      ? undefined
      : crlRevocation(
          row.crls.map((name) => bytes(crls[name]!)),
          intermediates,
        )
  const verdict = verifyPath(bytes(certificates[row.end_entity]!), {
    anchors: [bytes(certificates[row.trust_anchor]!)],
    intermediates,
    time: new Date(row.validation_time),
    profile: { ...validationProfiles.rfc5280, certificateRules: 'path' },
    policies: {
      ...(row.initial_policy_set === undefined ? {} : { initialPolicySet: row.initial_policy_set }),
      explicitPolicy: row.initial_explicit_policy,
      inhibitPolicyMapping: row.initial_policy_mapping_inhibit,
      inhibitAnyPolicy: row.initial_inhibit_any_policy,
    },
    ...(revocation === undefined ? {} : { revocation }),
  })
  if (!verdict.ok) return false
  const wanted = row.expected_user_constrained_policy_set
  const found = verdict.path.validPolicies
  // A path accepted under other policies is not the answer that was asked for.
  return wanted === undefined || JSON.stringify([...wanted].sort()) === JSON.stringify([...found].sort())
}
