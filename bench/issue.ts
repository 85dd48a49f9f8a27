// issue/…: a request comes in as PEM, a certificate goes out as PEM; proof of possession and the check of our
// own signature included.

import 'reflect-metadata'
import { generateKeyPairSync, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { CertificateWorkerPool } from '../src/adapters/workers/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../src/ca/index.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import type { IssuanceService } from '../src/issuance/index.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { buildCertificateRequest, generalName } from '../src/x509/index.ts'
import type { Caller } from '../src/auth/index.ts'
import { benchStorage, issuanceService } from './issuance.ts'
import { bareCryptography, bareInput } from './bare-cryptography.ts'
import { startBareThreads } from './bare-threads.ts'
import type { BareThreads } from './bare-threads.ts'
import type { BenchRow } from './row.ts'

/** What @peculiar/x509 takes for `Crypto` and `CryptoKey`, which the types of Node do not name. */
type PeculiarCrypto = NonNullable<Parameters<typeof X509CertificateGenerator.create>[1]>
type PeculiarKey = Extract<
  Parameters<typeof AuthorityKeyIdentifierExtension.create>[0],
  { readonly extractable: boolean }
>

const id = SpiffeId.parse('spiffe://example.org/ns/production/sa/payments')
const caller: Caller = { identities: [id], credential: 'bench', claims: {} }
const subject = new SoftwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const request = await buildCertificateRequest(
  { extensions: { subjectAltName: [generalName.uri(id.toString())] } },
  subject,
)
const pem = request.toPem()

export const rows: readonly BenchRow[] = [
  await issueRow(
    'issue/p256',
    new SoftwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    { 'node:crypto': 0.4, '@peculiar/x509': 8 },
    { '@peculiar/x509': 10 },
  ),
  await workersRow(),
  await issueRow(
    'issue/rsa2048',
    new SoftwareSigner(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    { 'node:crypto': 0.7 },
  ),
]

async function issueRow(
  name: string,
  signer: SoftwareSigner,
  bars: Readonly<Record<string, number>>,
  goals: Readonly<Record<string, number>> = {},
): Promise<BenchRow> {
  const service = await issuanceService(signer)
  const input = bareInput(request, signer.privateKey())
  return {
    name,
    ours: async () => (await service.issue({ csr: pem }, caller)).certificate.toPem(),
    peers: {
      'node:crypto': bareCryptography(input),
      'node:crypto by subtle': bareCryptography(input, true),
      '@peculiar/x509': await peculiarIssue(signer),
    },
    bars,
    goals: { 'node:crypto': 0.85, ...goals },
  }
}

/**
 * Two threads, this one included, against this one alone, the same work: as many requests in flight as in a
 * busy server, each answer followed by the next.
 */
async function workersRow(): Promise<BenchRow> {
  const signer = new SoftwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const certificate = await createRootCertificate(signer, { subject: 'CN=bench', trustDomain: 'example.org' })
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate,
    signer,
    storage: benchStorage(),
  })
  const here = createIssuanceService({ authority })
  let pool: CertificateWorkerPool | undefined
  let there = here
  const inFlight = 256
  const each = 4
  const warmUps = 12
  const many = (service: () => IssuanceService) => async (): Promise<void> => {
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        for (let i = 0; i < each; i++) (await service().issue({ csr: pem }, caller)).certificate.toPem()
      }),
    )
  }
  const input = bareInput(request, signer.privateKey())
  const bare = bareCryptography(input)
  const bareBySubtle = bareCryptography(input, true)
  let threads: BareThreads | undefined
  return {
    name: 'issue/p256-workers',
    operations: inFlight * each,
    async setup() {
      pool = new CertificateWorkerPool({
        signer,
        workers: 1,
        mainThreadHelps: true,
        workerModule: new URL('certificate-worker.mjs', import.meta.url),
      })
      there = createIssuanceService({
        authority: createCertificateAuthority({
          trustDomain: 'example.org',
          certificate,
          signer,
          workers: pool,
          storage: benchStorage(),
        }),
      })
      threads = startBareThreads(input)
      // Two threads compile for themselves: what is measured is a server that has been at work for some
      // seconds, on one core and on two.
      for (let i = 0; i < warmUps; i++) {
        await many(() => here)()
        await many(() => there)()
      }
    },
    async teardown() {
      await pool?.[Symbol.asyncDispose]()
      await threads?.[Symbol.asyncDispose]()
    },
    ours: many(() => there),
    peers: {
      'one core': many(() => here),
      'node:crypto': async () => {
        for (let i = 0; i < inFlight * each; i++) await bare()
      },
      'node:crypto by subtle': async () => {
        for (let i = 0; i < inFlight * each; i++) await bareBySubtle()
      },
      // What there is to be had: both cores, when this machine gives both.
      'node:crypto by subtle, two threads': async () => threads?.run(inFlight * each),
    },
    // Where others use the second core nothing makes 1.7; the bare calls on two threads lose as much.
    bars: { 'node:crypto by subtle, two threads': 0.45 },
    goals: { 'one core': 1.7, 'node:crypto by subtle, two threads': 0.6 },
  }
}

/** The same certificate by @peculiar/x509, which does not check what it signed. */
async function peculiarIssue(signer: SoftwareSigner): Promise<() => unknown> {
  const { subtle } = webcrypto
  const isRsa = signer.algorithm.startsWith('RSA')
  const algorithm = isRsa
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    : { name: 'ECDSA', namedCurve: 'P-256' }
  const signingAlgorithm = isRsa ? algorithm : { name: 'ECDSA', hash: 'SHA-256' }
  const pkcs8 = signer.privateKey().export({ type: 'pkcs8', format: 'der' })
  const signingKey = await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
  const caPublicKey = await subtle.importKey(
    'spki',
    signer.publicKey.spki as Uint8Array<ArrayBuffer>,
    algorithm,
    true,
    ['verify'],
  )
  const crypto = webcrypto as unknown as PeculiarCrypto
  return async () => {
    const csr = new Pkcs10CertificateRequest(pem)
    if (!(await csr.verify(crypto))) throw new Error('the request does not verify')
    const now = Date.now()
    const certificate = await X509CertificateGenerator.create(
      {
        serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString('hex'),
        issuer: 'CN=bench',
        subject: '',
        notBefore: new Date(now - 120_000),
        notAfter: new Date(now + 86_400_000),
        publicKey: csr.publicKey,
        signingKey: signingKey as PeculiarKey,
        signingAlgorithm,
        extensions: [
          new SubjectAlternativeNameExtension([{ type: 'url', value: id.toString() }], true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new BasicConstraintsExtension(false, undefined, true),
          new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']),
          await AuthorityKeyIdentifierExtension.create(caPublicKey as PeculiarKey, false, crypto),
          await SubjectKeyIdentifierExtension.create(csr.publicKey, false, crypto),
        ],
      },
      crypto,
    )
    return certificate.toString('pem')
  }
}
