// Wycheproof's signature vectors through our verify function: ECDSA, RSA, Ed25519, and the signatures of JWS.

import { explicit, integer, nullElement, oid, sequence } from '../../../src/der/index.ts'
import { PublicKey, verifySignature } from '../../../src/x509/index.ts'
import { AlgorithmIdentifier } from '../../../src/x509/internal.ts'
import type { SignatureAlgorithm } from '../../../src/x509/index.ts'
import type { EcdsaEncoding } from '../../../src/x509/internal.ts'
import { readDocuments } from '../corpus.ts'
import type { CorpusCase, CorpusLoader } from '../corpus.ts'
import { namesAnotherAlgorithm, verifyJws } from './jws.ts'
import type { JwsGroup } from './jws.ts'

interface Vector {
  readonly tcId: number
  readonly msg: string
  readonly sig: string
  readonly jws?: string
  readonly result: 'valid' | 'invalid' | 'acceptable'
}

interface Group extends JwsGroup {
  readonly type?: string
  readonly publicKeyDer?: string
  readonly sha?: string
  readonly mgf?: string
  readonly mgfSha?: string
  readonly sLen?: number
  readonly tests: readonly Vector[]
}

export const loadWycheproof: CorpusLoader = (data) => {
  const documents = readDocuments(data, 'wycheproof').filter(({ document }) =>
    Array.isArray(document['testGroups']),
  )
  if (documents.length === 0) return []
  const cases: CorpusCase[] = []
  for (const { name, document } of documents) {
    for (const group of document['testGroups'] as Group[]) {
      for (const vector of group.tests) {
        const id = `wycheproof::${name.replace(/_test$/, '')}::tc${vector.tcId}`
        const open = vector.jws !== undefined && namesAnotherAlgorithm(group, vector.jws)
        cases.push({
          id,
          expected: open && vector.result === 'valid' ? 'either' : expectations[vector.result],
          run: () => run(group, vector),
        })
      }
    }
  }
  return [{ name: 'wycheproof', bar: 1, cases }]
}

const expectations = { valid: 'accept', invalid: 'reject', acceptable: 'either' } as const

function run(group: Group, vector: Vector): boolean | 'unsupported' {
  if (vector.jws !== undefined) return verifyJws(group, vector.jws)
  const how = algorithmOf(group)
  if (how === undefined || group.publicKeyDer === undefined) return 'unsupported'
  const key = PublicKey.fromSpki(hex(group.publicKeyDer))
  return verifySignature(key, how.algorithm, hex(vector.msg), hex(vector.sig), how.encoding)
}

/** Hashes other than SHA-2 of 256 bits and more, and MGF1 with another hash, are left out on purpose. */
function algorithmOf(
  group: Group,
):
  | { readonly algorithm: SignatureAlgorithm | AlgorithmIdentifier; readonly encoding: EcdsaEncoding }
  | undefined {
  const hash = hashes[group.sha ?? '']
  switch (group.type) {
    case 'EcdsaVerify':
      return hash && { algorithm: `ecdsa-with-SHA${hash}`, encoding: 'der' }
    case 'EcdsaP1363Verify':
      return hash && { algorithm: `ecdsa-with-SHA${hash}`, encoding: 'ieee-p1363' }
    case 'RsassaPkcs1Verify':
      return hash && { algorithm: `sha${hash}WithRSAEncryption`, encoding: 'der' }
    case 'RsassaPssVerify':
    case 'RsassaPssWithParametersVerify':
      if (hash === undefined || group.mgf !== 'MGF1' || group.mgfSha !== group.sha) return undefined
      return { algorithm: pssIdentifier(hash, group.sLen ?? 20), encoding: 'der' }
    case 'EddsaVerify':
      return { algorithm: 'Ed25519', encoding: 'der' }
    default:
      return undefined
  }
}

const hashes: Readonly<Record<string, '256' | '384' | '512' | undefined>> = {
  'SHA-256': '256',
  'SHA-384': '384',
  'SHA-512': '512',
}

/** RSASSA-PSS with its parameters: RFC 4055 §3.1. */
function pssIdentifier(hash: '256' | '384' | '512', saltLength: number): AlgorithmIdentifier {
  const sha = sequence(oid(`2.16.840.1.101.3.4.2.${{ 256: 1, 384: 2, 512: 3 }[hash]}`), nullElement())
  const mgf = sequence(oid('1.2.840.113549.1.1.8'), sha)
  return AlgorithmIdentifier.parse(
    sequence(
      oid('1.2.840.113549.1.1.10'),
      sequence(explicit(0, sha), explicit(1, mgf), explicit(2, integer(saltLength))),
    ),
  )
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
