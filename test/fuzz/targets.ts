// One target per parser: its inputs, and every result it then computes, where any exception but a PkiError is
// a finding.

import { generateKeyPairSync } from 'node:crypto'
import { PkiError } from '../../src/errors/index.ts'
import { certificateServiceDefinition } from '../../src/adapters/grpc/index.ts'
import {
  DerReader,
  checkWellFormed,
  encodeTime,
  readTime,
  readWhole,
  sequence,
  tags,
} from '../../src/der/index.ts'
import {
  decodeBase64,
  decodeBase64url,
  encodeBase64,
  encodeBase64url,
} from '../../src/internal/encodings/base64.ts'
import { decodePem, encodePem } from '../../src/internal/pem.ts'
import { exportPrivateKey, importPrivateKey, SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId, TrustDomain, istio } from '../../src/spiffe/index.ts'
import {
  JwtAuthority,
  JwtSvid,
  TrustBundle,
  formatBundleMap,
  formatSpiffeBundle,
  issueJwtSvid,
  parseBundleMap,
  parseSpiffeBundle,
  verifyX509Svid,
} from '../../src/svid/index.ts'
import { createOcspChecker } from '../../src/validation/index.ts'
import { Budget } from '../../src/validation/budget.ts'
import {
  Certificate,
  CertificateRequest,
  DistinguishedName,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  Crl,
  buildCertificate,
  buildCertificateRequest,
  buildOcspResponse,
  buildCrl,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import {
  encodeAltName,
  encodeGeneralName,
  generateSerialNumber,
  readGeneralNames,
} from '../../src/x509/internal.ts'
import { mutateDer, mutateText } from './mutate.ts'
import type { SeededRandom } from './random.ts'

/** A parser under test. */
export interface FuzzTarget {
  readonly name: string
  /** Makes an input, mutated from a valid one. */
  readonly input: (random: SeededRandom) => Uint8Array | string
  /** Reads it, and everything in it. @throws PkiError to refuse it */
  readonly run: (input: Uint8Array | string) => void
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const signer = new SoftwareSigner(privateKey)
const subject = DistinguishedName.of([
  ['C', 'DE'],
  ['O', 'Exämple'],
  ['CN', 'fuzz'],
])
const sans = [
  generalName.uri('spiffe://example.org/ns/a/sa/b'),
  generalName.dns('*.example.org'),
  generalName.ip('2001:db8::1'),
  generalName.email('a@example.org'),
  { type: 'directoryName', name: subject } as const,
]
const notBefore = new Date('2026-01-01T00:00:00Z')
const notAfter = new Date('2051-01-01T00:00:00Z')
const point = {
  name: { fullName: [generalName.uri('http://example.org/crl')] },
  reasons: 0x1fe,
  crlIssuer: [{ type: 'directoryName', name: subject } as const],
}
const leaf = await buildCertificate(
  {
    issuer: subject,
    subject,
    publicKey: signer.publicKey,
    notBefore,
    notAfter,
    extensions: {
      basicConstraints: { ca: true, pathLength: 3 },
      keyUsage: ['keyCertSign', 'cRLSign', 'digitalSignature'],
      extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
      subjectAltName: sans,
      subjectKeyIdentifier: signer.publicKey,
      authorityKeyIdentifier: signer.publicKey.keyIdentifier,
      nameConstraints: {
        permitted: [generalName.dns('example.org'), generalName.uri('.example.org')],
        excluded: [generalName.email('.example.com')],
      },
      certificatePolicies: ['1.2.3.4', '2.5.29.32.0'],
      crlDistributionPoints: [point],
      inhibitAnyPolicy: 2,
    },
  },
  signer,
)
const request = await buildCertificateRequest(
  { subject, extensions: { subjectAltName: sans, keyUsage: ['digitalSignature'] } },
  signer,
)
const list = await buildCrl(
  {
    issuer: subject,
    thisUpdate: notBefore,
    nextUpdate: notAfter,
    crlNumber: 7,
    authorityKeyIdentifier: signer.publicKey.keyIdentifier,
    deltaCrlIndicator: 3,
    issuingDistributionPoint: { name: point.name, indirectCrl: true },
    entries: Array.from({ length: 12 }, (_, i) => ({
      serialNumber: generateSerialNumber(),
      revocationDate: notBefore,
      ...(i % 2 === 0 ? { reason: 'keyCompromise' as const } : {}),
      ...(i === 5
        ? {
            invalidityDate: notBefore,
            certificateIssuer: [{ type: 'directoryName', name: subject } as const],
          }
        : {}),
    })),
  },
  signer,
)
const ocspId = OcspCertificateId.of(leaf, { subject, publicKey: signer.publicKey })
const ocspRequest = OcspRequest.of(
  [ocspId, OcspCertificateId.of(leaf, { subject, publicKey: signer.publicKey }, 'sha256')],
  { nonce: Buffer.alloc(32, 7) },
)
const ocsp = await buildOcspResponse(
  {
    producedAt: notBefore,
    nonce: Buffer.alloc(32, 7),
    certificates: [leaf],
    responses: [
      {
        certificateId: ocspId,
        certificateStatus: { status: 'revoked', revokedAt: notBefore, reason: 'keyCompromise' },
        thisUpdate: notBefore,
        nextUpdate: notAfter,
      },
      { certificateId: ocspId, certificateStatus: { status: 'good' }, thisUpdate: notBefore },
    ],
  },
  signer,
)
const jwtAuthorities = [JwtAuthority.from('k1', privateKey), JwtAuthority.from('k2', rsa)]
const bundle = TrustBundle.fromPem(leaf.toPem(), { trustDomain: 'example.org' }).with({
  jwtAuthorities,
  sequenceNumber: 2n ** 63n,
  refreshHintSeconds: 60,
})
const token = (
  await issueJwtSvid(
    {
      id: 'spiffe://example.org/ns/a/sa/b',
      audience: ['a', 'b'],
      keyId: 'k1',
      claims: { iss: 'https://example.org', deep: { list: [1, null] } },
    },
    signer,
  )
).token
const keys = [
  ...(['pkcs8', 'sec1'] as const).map((format) => exportPrivateKey(privateKey, { format })),
  ...(['pkcs8', 'pkcs1'] as const).map((format) => exportPrivateKey(rsa, { format })),
]
const der = [leaf.der, request.der, list.der, Buffer.from(subject.der), Buffer.from(encodeAltName(sans))]
const fromDer =
  (seeds: readonly Uint8Array[]) =>
  (random: SeededRandom): Uint8Array =>
    mutateDer(random.pick(seeds), random, random.pick(der))
const fromText =
  (seeds: readonly string[]) =>
  (random: SeededRandom): string =>
    mutateText(random.pick(seeds), random)
const bytes = (input: Uint8Array | string): Uint8Array =>
  typeof input === 'string' ? Buffer.from(input, 'utf8') : input
const text = (input: Uint8Array | string): string =>
  typeof input === 'string' ? input : Buffer.from(input).toString('latin1')

export const targets: readonly FuzzTarget[] = [
  {
    name: 'der',
    input: fromDer(der),
    run: (input) => {
      checkWellFormed(bytes(input), 'input')
      requireSame(reencode(bytes(input)), bytes(input))
    },
  },
  {
    name: 'pem',
    input: fromText([
      leaf.toPem(),
      `text\r\n${request.toPem().replaceAll('\n', '\r\n')}more`,
      leaf.toPem() + list.toPem(),
    ]),
    run: (input) => decodePem(text(input)).forEach((block) => decodePem(encodePem(block.label, block.der))),
  },
  {
    name: 'certificate',
    input: fromDer([leaf.der]),
    run: (input) => {
      const certificate = Certificate.parse(bytes(input))
      certificate.checkAll()
      JSON.stringify(certificate)
      certificate.verifySignatureBy(certificate.publicKey)
      requireSame(
        sequence(certificate.tbs, certificate.signatureAlgorithm.der, bitStringOf(certificate.der)),
        certificate.der,
      )
      verifyX509Svid([certificate], { bundles: bundle, time: notBefore })
    },
  },
  {
    name: 'csr',
    input: fromDer([request.der]),
    run: (input) => {
      const csr = CertificateRequest.parse(bytes(input))
      csr.checkAll()
      requireSame(reencode(csr.der), csr.der)
      csr.publicKey.checkStrength()
      csr.verify()
    },
  },
  {
    name: 'crl',
    input: fromDer([list.der]),
    run: (input) => {
      const crl = Crl.parse(bytes(input))
      crl.checkAll()
      for (const { serialNumber } of crl.entries())
        if (crl.find(serialNumber, () => true) === undefined)
          throw new Error('an entry that is listed is not found')
      for (const cursor = crl.cursor(); cursor.next();)
        if (crl.offsetOf(cursor) > cursor.start || crl.offsetOf(cursor) < 0)
          throw new Error('an entry is found behind itself, or not at all')
      requireSame(reencode(crl.der), crl.der)
      crl.verifySignatureBy(signer.publicKey)
    },
  },
  {
    name: 'ocsp',
    input: fromDer([ocsp.der, ocspRequest.der]),
    run: (input) => {
      const octets = bytes(input)
      try {
        const { answer } = OcspResponse.parse(octets)
        answer?.verifySignatureBy(signer.publicKey)
        answer?.isBy({ subject, publicKey: signer.publicKey })
        const query = {
          certificate: leaf,
          issuer: { subject, publicKey: signer.publicKey },
          time: notBefore,
          budget: new Budget(),
          verifyAuthority: () => undefined,
        }
        if (
          createOcspChecker({ responses: [octets], mode: 'hard-fail', maxAgeSeconds: 60 }).check(query) ===
          undefined
        )
          throw new Error('a revoked certificate is good')
      } catch (error) {
        if (!(error instanceof PkiError)) throw error
        const { certificateIds } = OcspRequest.parse(octets)
        for (const id of certificateIds) id.identifies(leaf, { subject, publicKey: signer.publicKey })
      }
    },
  },
  {
    name: 'names',
    input: fromDer([subject.der, encodeAltName(sans)]),
    run: (input) => {
      if (bytes(input)[2] === 0x31) {
        const name = DistinguishedName.fromDer(bytes(input))
        requireSame(
          Buffer.from(name.comparisonKey),
          Buffer.from(DistinguishedName.parse(name.toString()).comparisonKey),
        )
      } else {
        requireSame(
          sequence(
            ...readGeneralNames(readWhole(bytes(input), tags.sequence, 'names'), 'names').map(
              encodeGeneralName,
            ),
          ),
          bytes(input),
        )
      }
    },
  },
  {
    name: 'spiffe-id',
    input: fromText(['spiffe://example.org/ns/a/sa/b', 'spiffe://td', `spiffe://${'a'.repeat(255)}/x`]),
    run: (input) => {
      const id = SpiffeId.parse(text(input))
      requireSame(Buffer.from(id.toString()), Buffer.from(text(input)))
      istio.tryParse(id)
      TrustDomain.parse(id.trustDomainName)
    },
  },
  {
    name: 'base64',
    input: fromText([
      encodeBase64(leaf.der.subarray(0, 100)),
      encodeBase64url(leaf.der.subarray(0, 99)),
      '',
      encodeBase64(new Uint8Array(15_000)),
    ]),
    run: (input) => {
      const standard = refusedOr(() => decodeBase64(text(input)))
      if (standard !== undefined) requireSame(Buffer.from(encodeBase64(standard)), Buffer.from(text(input)))
      else requireSame(Buffer.from(encodeBase64url(decodeBase64url(text(input)))), Buffer.from(text(input)))
    },
  },
  {
    name: 'time',
    input: fromDer([encodeTime(notBefore.getTime()), encodeTime(notAfter.getTime())]),
    run: (input) => {
      const reader = new DerReader(bytes(input))
      const time = readTime(reader, 'time')
      reader.finish('time')
      if (Number.isNaN(new Date(time).getTime())) throw new Error('a time that is none')
    },
  },
  {
    name: 'private-key',
    input: (random) =>
      random.integer(2) === 0
        ? mutateText(random.pick(keys), random)
        : mutateDer(decodePem(random.pick(keys))[0]!.der, random, random.pick(der)),
    run: (input) => void importPrivateKey(input),
  },
  {
    name: 'grpc-message',
    input: (random) => {
      const message = certificateServiceDefinition.CreateCertificate.requestSerialize({
        $typeName: 'istio.v1.auth.IstioCertificateRequest',
        csr: request.toPem(),
        validityDuration: 3600n,
        metadata: { CertSigner: 'x', n: { list: [1, null, 'a', true] } },
      })
      return mutateDer(message, random, random.pick(der))
    },
    run: (input) => {
      // The decoder is a library's: its own errors are what grpc-js turns into a status.
      const message = refusedOr(() =>
        certificateServiceDefinition.CreateCertificate.requestDeserialize(Buffer.from(bytes(input))),
      )
      if (message === undefined) throw new PkiError('ERR_INVALID_ARGUMENT', 'refused by the decoder')
      certificateServiceDefinition.CreateCertificate.requestSerialize(message)
      CertificateRequest.fromPem(message.csr).checkAll()
    },
  },
  {
    name: 'bundle',
    input: fromText([
      formatSpiffeBundle(bundle),
      formatSpiffeBundle(bundle, { indent: 2 }),
      formatBundleMap([bundle, new TrustBundle('a.org')]),
    ]),
    run: (input) => {
      if (text(input).includes('trust_domains'))
        requireSame(
          Buffer.from(formatBundleMap(parseBundleMap(formatBundleMap(parseBundleMap(text(input)))))),
          Buffer.from(formatBundleMap(parseBundleMap(text(input)))),
        )
      else formatSpiffeBundle(parseSpiffeBundle(text(input), { trustDomain: 'example.org' }))
    },
  },
  {
    name: 'jwt',
    input: mutateToken,
    run: (input) => void Object.values(JwtSvid.parseUnverified(text(input))),
  },
]

/** The token as text, or one of its parts as JSON: else nothing behind base64url would ever be reached. */
function mutateToken(random: SeededRandom): string {
  const parts = token.split('.')
  const at = random.integer(3)
  if (at === 2) return mutateText(token, random)
  parts[at] = Buffer.from(mutateText(Buffer.from(parts[at]!, 'base64url').toString(), random)).toString(
    'base64url',
  )
  return parts.join('.')
}

/** DER from its elements: what is well formed encodes to itself. */
function reencode(input: Uint8Array): Uint8Array {
  const reader = new DerReader(input)
  const parts: Uint8Array[] = []
  while (!reader.done) {
    const tag = reader.next()
    const content = (tag & 0x20) === 0 ? reader.content() : reencode(reader.content())
    const whole = sequence(content)
    whole[0] = tag
    parts.push(whole)
  }
  return new Uint8Array(Buffer.concat(parts))
}

/** The BIT STRING at the end of a signed structure. */
function bitStringOf(der: Uint8Array): Uint8Array {
  const outer = readWhole(der, tags.sequence, 'signed')
  outer.next()
  outer.next()
  outer.next()
  return outer.element()
}

function requireSame(found: Uint8Array, wanted: Uint8Array): void {
  if (Buffer.compare(found, wanted) !== 0)
    throw new Error('what was parsed does not encode to the same bytes')
}

function refusedOr<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError && /call stack/i.test(error.message)) throw error
    return undefined
  }
}
