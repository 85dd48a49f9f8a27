// crl/…: parse and index, look up, build and sign.

import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { AsnParser } from '@peculiar/asn1-schema'
import { CertificateList } from '@peculiar/asn1-x509'
import { X509CrlGenerator, X509CrlReason } from '@peculiar/x509'
import { DistinguishedName, Crl, buildCrl } from '../src/x509/index.ts'
import { generateSerialNumber, serialNumberFromBytes } from '../src/x509/internal.ts'
import type { SerialNumber } from '../src/x509/index.ts'
import { p256Key } from './fixtures.ts'
import type { BenchRow } from './row.ts'

const key = p256Key('crl')
const issuer = DistinguishedName.parse('CN=bench')
const now = Math.floor(Date.now() / 1000) * 1000
const entries = (
  count: number,
): { serialNumber: Uint8Array; revocationDate: Date; reason: 'keyCompromise' }[] =>
  Array.from({ length: count }, () => ({
    serialNumber: generateSerialNumber(),
    revocationDate: new Date(now),
    reason: 'keyCompromise' as const,
  }))
const build = (list: ReturnType<typeof entries>): Promise<Crl> =>
  buildCrl(
    {
      issuer,
      thisUpdate: new Date(now),
      nextUpdate: new Date(now + 86_400_000),
      crlNumber: 1,
      authorityKeyIdentifier: key.signer.publicKey.keyIdentifier,
      entries: list,
    },
    key.signer,
  )
const index = (der: Uint8Array): number => Crl.parse(der).indexByteLength

const small = (await build(entries(5000))).der
const millionEntries = entries(1_000_000)
const million = await build(millionEntries)
const hundredThousandEntries = entries(100_000)
const hundredThousand = (await build(hundredThousandEntries)).der
// As each side holds them: a certificate has octets, a Map needs text. Both are new, as of a certificate that
// was just read, and not spread over the memory of a million entries.
const wanted = Array.from({ length: 10_000 }, (_, i) =>
  millionEntries[(i * 7919) % millionEntries.length]!.serialNumber.slice(),
)
const wantedText = wanted.map(serialNumberFromBytes)
const map = new Map<SerialNumber, number>(
  millionEntries.map(({ serialNumber }, i) => [serialNumberFromBytes(serialNumber), i]),
)
type PeculiarCrypto = NonNullable<Parameters<typeof X509CrlGenerator.create>[1]>
const crypto = webcrypto as unknown as PeculiarCrypto
const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
  'sign',
  'verify',
])
const peculiarEntries = hundredThousandEntries.slice(0, 1000).map(({ serialNumber, revocationDate }) => ({
  serialNumber: Buffer.from(serialNumber).toString('hex'),
  revocationDate,
  reason: X509CrlReason.keyCompromise,
}))

export const rows: readonly BenchRow[] = [
  {
    name: 'crl/index-5000',
    ours: () => index(small),
    peers: {
      '@peculiar/asn1-schema': () =>
        AsnParser.parse(small as Uint8Array<ArrayBuffer>, CertificateList, {
          berOptions: { maxNodes: 1_000_000 },
        }),
    },
    bars: { '@peculiar/asn1-schema': 100 },
  },
  {
    // The peer is the same work over a tenth of the entries, times ten: 1 is linear.
    name: 'crl/index-1000000',
    ours: () => index(million.der),
    peers: { 'ten times 100,000': () => index(hundredThousand) },
    scale: { 'ten times 100,000': 10 },
    extra: async () => ({ 'octets per entry beyond the DER': million.indexByteLength / million.entryCount }),
  },
  {
    name: 'crl/lookup-1000000',
    operations: wanted.length,
    ours: () => {
      for (const serial of wanted) if (!million.has(serial)) throw new Error('not found')
    },
    peers: {
      Map: () => {
        for (const serial of wantedText) if (map.get(serial) === undefined) throw new Error('not found')
      },
    },
    bars: { Map: 0.15 },
    goals: { Map: 0.2 },
  },
  {
    name: 'crl/build-100000',
    ours: () => build(hundredThousandEntries),
    // A hundredth of the entries, scaled: the whole takes minutes.
    peers: {
      '@peculiar/x509': () =>
        X509CrlGenerator.create(
          {
            issuer: 'CN=bench',
            thisUpdate: new Date(now),
            nextUpdate: new Date(now + 86_400_000),
            entries: peculiarEntries,
            signingKey: pair.privateKey as never,
            signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
          },
          crypto,
        ),
    },
    scale: { '@peculiar/x509': 100 },
    bars: { '@peculiar/x509': 100 },
  },
]
