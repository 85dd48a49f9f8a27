// parse/leaf: DER → serial number, validity, SANs, key usage, SPKI.

import 'reflect-metadata'
import { X509Certificate as NodeCertificate } from 'node:crypto'
import {
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate as PeculiarCertificate,
} from '@peculiar/x509'
import { Certificate, CertificateRequest, buildCertificateRequest, generalName } from '../src/x509/index.ts'
import { p256Chain, p256Key } from './fixtures.ts'
import type { BenchRow } from './row.ts'

const { leaf } = await p256Chain()
const der = leaf.der
const request = await buildCertificateRequest(
  { extensions: { subjectAltName: [generalName.uri('spiffe://example.org/x')] } },
  p256Key('csr').signer,
)
const requestPem = request.toPem()
/** What is read goes here, so that reading it cannot be left out. */
export let sink = 0

export const rows: readonly BenchRow[] = [
  {
    name: 'parse/leaf',
    operations: loops(),
    ours: () => {
      for (let i = 0; i < loops(); i++) {
        const certificate = Certificate.parse(der)
        sink += certificate.serialNumber.length + certificate.notBeforeMs + certificate.notAfterMs
        sink +=
          certificate.subjectAltName!.length + certificate.keyUsage!.bits + certificate.publicKey.spki.length
      }
    },
    peers: {
      // A hundredth of the work, scaled: the whole would take a second a call.
      '@peculiar/x509': () => {
        const certificate = new PeculiarCertificate(der as Uint8Array<ArrayBuffer>)
        sink +=
          certificate.serialNumber.length + certificate.notBefore.getTime() + certificate.notAfter.getTime()
        sink += certificate.getExtension(SubjectAlternativeNameExtension)!.names.items.length
        sink +=
          certificate.getExtension(KeyUsagesExtension)!.usages + certificate.publicKey.rawData.byteLength
      },
      'node:crypto': () => {
        const certificate = new NodeCertificate(der)
        sink += certificate.serialNumber.length + certificate.validFrom.length + certificate.validTo.length
        sink += certificate.subjectAltName!.length + certificate.raw.length
      },
    },
    scale: { '@peculiar/x509': loops(), 'node:crypto': loops() },
    bars: { '@peculiar/x509': 200 },
  },
  {
    name: 'parse/request-pem',
    operations: loops(),
    ours: () => {
      for (let i = 0; i < loops(); i++) sink += CertificateRequest.fromPem(requestPem).publicKey.spki.length
    },
    peers: {},
  },
]

/** Calls of ours in one sample: below a microsecond or two the timer itself would be measured. */
function loops(): number {
  return 1000
}
