// Encodings of certificates, requests and CRLs: well-formed, borderline and broken.

import * as x509 from '../../../src/x509/index.ts'
import { bytes, readRows } from '../corpus.ts'
import type { CorpusLoader } from '../corpus.ts'

interface Row {
  readonly id: string
  readonly kind: string
  readonly expect: 'must-accept' | 'may-accept' | 'must-reject'
  readonly der: string
}

const expectations = { 'must-accept': 'accept', 'may-accept': 'either', 'must-reject': 'reject' } as const

export const loadParser: CorpusLoader = (data) => {
  const rows = readRows<Row>(data, 'parser', 'cases')
  if (rows.length === 0) return []
  return [
    {
      name: 'parser',
      bar: 1,
      cases: rows.map((row) => ({ id: row.id, expected: expectations[row.expect], run: () => run(row) })),
    },
  ]
}

function run({ kind, der }: Row): boolean | 'unsupported' {
  const input = bytes(der)
  switch (kind) {
    case 'certificate':
      x509.Certificate.parse(input).checkAll()
      return true
    case 'csr': {
      const request = x509.CertificateRequest.parse(input)
      request.checkAll()
      request.verify()
      return true
    }
    case 'crl':
      return parseCrl(input)
    default:
      return 'unsupported'
  }
}

interface CrlParser {
  parse(der: Uint8Array): { checkAll?(): void }
}

function parseCrl(input: Uint8Array): boolean | 'unsupported' {
  const parser = (x509 as { Crl?: CrlParser }).Crl
  if (parser === undefined) return 'unsupported'
  parser.parse(input).checkAll?.()
  return true
}
