// x509-limbo's schema: the limbo corpus itself, and BetterTLS converted to it.

import { verifyPath } from '../../../src/validation/index.ts'
import type { KeyPurpose } from '../../../src/validation/checks/key-purposes.ts'
import type { ProfileName } from '../../../src/validation/profile.ts'
import type { KeyUsageName } from '../../../src/x509/internal.ts'
import { crlRevocation } from './crl-revocation.ts'
import { peerNames } from './peer-names.ts'
import { readDocuments, readRows } from '../corpus.ts'
import type { CorpusCase, CorpusLoader } from '../corpus.ts'

interface PeerName {
  readonly kind: string
  readonly value: string
}

interface Testcase {
  readonly id: string
  readonly features?: readonly string[]
  readonly validation_kind?: string
  readonly trusted_certs: readonly string[]
  readonly untrusted_intermediates: readonly string[]
  readonly peer_certificate: string
  readonly validation_time?: string | null
  readonly signature_algorithms?: readonly string[]
  readonly key_usage?: readonly KeyUsageName[]
  readonly extended_key_usage?: readonly KeyPurpose[]
  readonly expected_peer_name?: PeerName | null
  readonly expected_peer_names?: readonly PeerName[]
  readonly max_chain_depth?: number | null
  readonly crls?: readonly string[]
  readonly expected_result: 'SUCCESS' | 'FAILURE'
}

/** Cases of the web PKI's own rules run under `webpki` and are reported apart, as the README asks. */
export const loadLimbo: CorpusLoader = (data) => {
  const rows = readRows<Testcase>(data, 'limbo', 'testcases')
  if (rows.length === 0) return []
  const web = rows.filter(({ id }) => id.startsWith('webpki::'))
  const rest = rows.filter(({ id }) => !id.startsWith('webpki::'))
  return [
    { name: 'limbo', bar: 0.98, cases: rest.map((row) => toCase(row, 'rfc5280')) },
    { name: 'limbo-webpki', bar: 0.95, cases: web.map((row) => toCase(row, 'webpki')) },
  ]
}

/** `soft` lists cases whose outcome BetterTLS itself calls a warning. */
export const loadBetterTls: CorpusLoader = (data) => {
  const documents = readDocuments(data, 'bettertls').filter(({ document }) =>
    Array.isArray(document['testcases']),
  )
  if (documents.length === 0) return []
  const soft = new Set(
    documents.flatMap(({ document }) =>
      Array.isArray(document['soft']) ? (document['soft'] as string[]) : [],
    ),
  )
  const rows = documents.flatMap(({ document }) => document['testcases'] as Testcase[])
  return [
    {
      name: 'bettertls',
      bar: 1,
      cases: rows.map((row) =>
        soft.has(row.id) ? { ...toCase(row, 'rfc5280'), expected: 'either' } : toCase(row, 'rfc5280'),
      ),
    },
  ]
}

function toCase(row: Testcase, profile: ProfileName): CorpusCase {
  return {
    id: row.id,
    expected: row.expected_result === 'SUCCESS' ? 'accept' : 'reject',
    run: () => run(row, profile),
  }
}

function run(row: Testcase, profile: ProfileName): boolean | 'unsupported' {
  if (row.features?.some((feature) => missingFeatures.has(feature)) === true) return 'unsupported'
  const peer = peerNames([
    ...(row.expected_peer_name ? [row.expected_peer_name] : []),
    ...(row.expected_peer_names ?? []),
  ])
  if (peer === 'unsupported') return 'unsupported'
  const verdict = verifyPath(row.peer_certificate, {
    anchors: row.trusted_certs,
    intermediates: row.untrusted_intermediates,
    time: new Date(row.validation_time ?? anyTime),
    profile,
    extendedKeyUsage: purposesOf(row),
    ...(peer === undefined ? {} : { peer }),
    ...limitsOf(row),
  })
  return (
    verdict.ok &&
    (!row.signature_algorithms?.length ||
      row.signature_algorithms.includes(schemaName(verdict.path.leaf.signatureAlgorithm.signatureAlgorithm)))
  )
}

function purposesOf(row: Testcase): string[] {
  if (row.extended_key_usage?.length) return row.extended_key_usage.map((name) => purposes[name] ?? name)
  return [row.validation_kind === 'CLIENT' ? 'clientAuth' : 'serverAuth']
}

/** The options that a row may leave out. */
function limitsOf(row: Testcase): Partial<Parameters<typeof verifyPath>[1]> {
  const { crls, key_usage: keyUsage, max_chain_depth: maxDepth } = row
  return {
    ...(keyUsage === null || keyUsage === undefined ? {} : { keyUsage }),
    ...(maxDepth === null || maxDepth === undefined ? {} : { maxDepth }),
    ...(crls?.length ? { revocation: crlRevocation(crls, row.untrusted_intermediates) } : {}),
  }
}

/** `RSA_WITH_SHA256`, `ECDSA_WITH_SHA384`, `RSASSA_PSS`, `ED25519`. */
function schemaName(algorithm: string | undefined): string {
  const parts = /^(?:(ecdsa)-with-(SHA\d+)|(sha\d+)With(RSA)Encryption|(rsassa-pss)-.*|(Ed25519))$/.exec(
    algorithm ?? '',
  )
  if (parts === null) return 'none'
  const [, ecdsa, ecdsaHash, rsaHash, rsa, pss] = parts
  if (pss !== undefined) return 'RSASSA_PSS'
  const [key, hash] = [ecdsa ?? rsa, ecdsaHash ?? rsaHash]
  return (key === undefined ? 'ED25519' : `${key}_WITH_${String(hash)}`).toUpperCase()
}

/** Names of purposes in the schema that are not ours. */
const purposes: Readonly<Record<string, KeyPurpose | undefined>> = {
  anyExtendedKeyUsage: 'any',
  OCSPSigning: 'ocspSigning',
}

/**
 * Refusing wildcards over longer public suffixes needs the public suffix list, which is data that we do not
 * carry.
 */
const missingFeatures: ReadonlySet<string> = new Set(['pedantic-public-suffix-wildcard'])

const anyTime = '2026-11-20T00:00:00Z'
