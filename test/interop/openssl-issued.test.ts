// OpenSSL accepts the certificates, requests and CRLs that we make, of every pair of key types, and we issue
// what OpenSSL requests, or refuse it by name.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../src/ca/index.ts'
import type { CaCredential } from '../../src/ca/authority/ca-certificate.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import type { IssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { TrustDomain } from '../../src/spiffe/index.ts'
import { CertificateRequest, buildCertificateRequest, buildCrl, generalName } from '../../src/x509/index.ts'
import { formatGeneralName } from '../../src/x509/internal.ts'
import type { Certificate } from '../../src/x509/index.ts'
import { callerOf, workloadId } from '../support/pki.ts'
import { requires } from '../support/requires.ts'

const present = requires('openssl')
const directory = present ? mkdtempSync(join(tmpdir(), 'openssl-')) : ''
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
  })
const read = (name: string): Buffer => readFileSync(join(directory, name))
const write = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text)
  return name
}
const pems = (certificates: readonly Certificate[]): string =>
  certificates.map((certificate) => certificate.toPem()).join('')

const algorithms = [
  'P-256',
  'P-384',
  'P-521',
  'Ed25519',
  'RSA-2048',
  'RSA-3072',
  'RSA-4096',
  'RSA-PSS-2048',
] as const satisfies readonly KeyAlgorithm[]
type Algorithm = (typeof algorithms)[number]
const names = [
  generalName.uri(workloadId.toString()),
  generalName.dns('localhost'),
  generalName.ip('10.0.0.1'),
  generalName.ip('::1'),
]
const policy = callerIdentityPolicy({
  trustDomain: TrustDomain.from('example.org'),
  mayHaveName: ({ type }) => type === 'dns' || type === 'ip',
})

/**
 * A root key, which is a leaf's in other chains, and an intermediate's, of each kind: making keys is what
 * costs time here.
 */
const keys = new Map<Algorithm, { readonly root: SoftwareSigner; readonly intermediate: SoftwareSigner }>()
const keysOf = (
  algorithm: Algorithm,
): { readonly root: SoftwareSigner; readonly intermediate: SoftwareSigner } => keys.get(algorithm)!

async function intermediateBelow(
  root: CaCredential,
  above: Algorithm,
  algorithm: Algorithm,
): Promise<CaCredential & { readonly issuance: IssuanceService }> {
  const signer = keysOf(algorithm).intermediate
  const certificate = await createIntermediateCertificate(root, signer.publicKey, {
    subject: `CN=${algorithm} below ${above}`,
    trustDomain: 'example.org',
  })
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate,
    signer,
    roots: [root.certificate],
  })
  return { certificate, signer, issuance: createIssuanceService({ authority, policy }) }
}

async function rootOf(algorithm: Algorithm): Promise<CaCredential> {
  const signer = keysOf(algorithm).root
  return {
    certificate: await createRootCertificate(signer, {
      subject: `CN=${algorithm} root`,
      trustDomain: 'example.org',
    }),
    signer,
  }
}

describe.skipIf(!present)('OpenSSL', () => {
  beforeAll(async () => {
    await Promise.all(
      algorithms.map(async (algorithm) => {
        const [root, intermediate] = await Promise.all([
          SoftwareSigner.generate(algorithm),
          SoftwareSigner.generate(algorithm),
        ])
        keys.set(algorithm, { root, intermediate })
      }),
    )
  })

  it.each(algorithms)(
    'accepts what every kind of intermediate below a root with a key of %s issues to every kind of key',
    async (above) => {
      const root = await rootOf(above)
      const requests = await Promise.all(
        algorithms.map((algorithm) =>
          buildCertificateRequest({ extensions: { subjectAltName: names } }, keysOf(algorithm).root),
        ),
      )
      const intermediates: Certificate[] = []
      const leaves: Certificate[] = []
      for (const algorithm of algorithms) {
        const { certificate, issuance } = await intermediateBelow(root, above, algorithm)
        intermediates.push(certificate)
        for (const csr of requests) leaves.push((await issuance.issue({ csr }, callerOf())).certificate)
      }
      const rootFile = write('root.pem', root.certificate.toPem())
      const files = leaves.map((leaf, at) => write(`leaf-${at}.pem`, leaf.toPem()))
      const verdicts = openssl(
        'verify',
        '-x509_strict',
        '-purpose',
        'sslserver',
        '-verify_hostname',
        'localhost',
        '-CAfile',
        rootFile,
        '-untrusted',
        write('cas.pem', pems(intermediates)),
        ...files,
      )
      expect(verdicts.trim().split('\n')).toEqual(files.map((file) => `${file}: OK`))
      // All of them in one call; for one, the command that people use.
      const text = openssl(
        'storeutl',
        '-certs',
        '-noout',
        '-text',
        write('all.pem', pems([root.certificate, ...intermediates, ...leaves])),
      )
      expect(text.match(/^Certificate:$/gm)?.length).toBe(1 + algorithms.length + leaves.length)
      expect(text.match(/TLS Web Server Authentication, TLS Web Client Authentication/g)?.length).toBe(
        leaves.length,
      )
      expect(text.match(/CA:TRUE, pathlen:0/g)?.length).toBe(algorithms.length)
      expect(openssl('x509', '-in', files[0]!, '-noout', '-text')).toContain(
        `URI:${workloadId.toString()}, DNS:localhost, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1`,
      )
    },
  )

  it.each(algorithms)('accepts requests and lists that a key of %s signs', async (algorithm) => {
    const root = await rootOf(algorithm)
    const ca = await intermediateBelow(root, algorithm, algorithm)
    const request = await buildCertificateRequest(
      { extensions: { subjectAltName: names } },
      keysOf(algorithm).root,
    )
    expect(openssl('req', '-in', write('csr.pem', request.toPem()), '-verify', '-noout', '-text')).toContain(
      'DNS:localhost',
    )
    const { certificate } = await ca.issuance.issue({ csr: request }, callerOf())
    const list = await buildCrl(
      {
        issuer: ca.certificate.subject,
        thisUpdate: new Date(Date.now() - 60_000),
        nextUpdate: new Date(Date.now() + 3_600_000),
        crlNumber: 5,
        authorityKeyIdentifier: ca.certificate.subjectKeyIdentifier!,
        entries: [
          { serialNumber: certificate.serialNumber, revocationDate: new Date(), reason: 'keyCompromise' },
        ],
      },
      ca.signer,
    )
    write('root.pem', root.certificate.toPem())
    write('ca.pem', ca.certificate.toPem())
    write('leaf.pem', certificate.toPem())
    expect(
      openssl('crl', '-in', write('crl.pem', list.toPem()), '-CAfile', 'ca.pem', '-noout', '-text'),
    ).toContain('Key Compromise')
    expect(() =>
      openssl(
        'verify',
        '-crl_check',
        '-CRLfile',
        'crl.pem',
        '-CAfile',
        'root.pem',
        '-untrusted',
        'ca.pem',
        'leaf.pem',
      ),
    ).toThrow(/revoked/)
  })
})

describe.skipIf(!present)('requests of OpenSSL', () => {
  let issuance: IssuanceService
  let root: Certificate
  let ca: Certificate
  beforeAll(async () => {
    const credential = await rootOf('P-256')
    const below = await intermediateBelow(credential, 'P-256', 'P-256')
    root = credential.certificate
    ca = below.certificate
    issuance = below.issuance
    write('root.pem', root.toPem())
    write('ca.pem', ca.toPem())
    for (const algorithm of algorithms)
      write(`${algorithm}.key`, exportPrivateKey(keysOf(algorithm).root.privateKey()))
    write(
      'req.cnf',
      [
        '[req]',
        'prompt = no',
        'distinguished_name = dn',
        'attributes = attributes',
        'req_extensions = extensions',
        '[dn]',
        'C = CH',
        'O = Somebody',
        'CN = whoever',
        '[attributes]',
        'challengePassword = correct horse',
        'unstructuredName = web server',
        '[extensions]',
        `subjectAltName = URI:${workloadId.toString()}, DNS:localhost, IP:10.0.0.1, IP:::1`,
        'keyUsage = critical, digitalSignature',
        'extendedKeyUsage = serverAuth, clientAuth',
        'basicConstraints = CA:FALSE',
      ].join('\n'),
    )
  })
  const genpkey = (file: string, algorithm: string, ...options: readonly string[]): void => {
    openssl(
      'genpkey',
      '-algorithm',
      algorithm,
      ...options.flatMap((option) => ['-pkeyopt', option]),
      '-out',
      file,
    )
  }
  const request = (key: string, ...options: readonly string[]): Buffer => {
    openssl('req', '-new', '-config', 'req.cnf', '-key', key, '-out', 'asked.csr', ...options)
    return read('asked.csr')
  }

  it.each([
    ...algorithms.map((algorithm) => [algorithm, [], []] as const),
    ['P-256', ['-sha384'], []],
    ['P-384', ['-sha512'], []],
    ['RSA-2048', ['-sha384'], []],
    ['RSA-3072', ['-sha512'], []],
    ['RSA-2048', ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:-1'], []],
    ['RSA-2048', ['-sha512', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:20'], []],
    ['P-256', ['-newhdr'], []],
    ['P-256', ['-text'], []],
    ['P-256', ['-outform', 'DER'], []],
    ['bound to nothing', [], ['RSA-PSS', 'rsa_keygen_bits:2048']],
    [
      'bound to SHA-384',
      ['-sha384'],
      [
        'RSA-PSS',
        'rsa_keygen_bits:2048',
        'rsa_pss_keygen_md:sha384',
        'rsa_pss_keygen_mgf1_md:sha384',
        'rsa_pss_keygen_saltlen:48',
      ],
    ],
  ] as const)(
    'of a key of %s with %j is answered',
    async (name, options, [algorithm, ...made]: readonly string[]) => {
      if (algorithm !== undefined) genpkey(`${name}.key`, algorithm, ...made)
      const bytes = request(`${name}.key`, ...options)
      const csr = CertificateRequest.from(bytes[0] === 0x30 ? bytes : bytes.toString('latin1'))
      expect(csr.subject.toString()).toBe('CN=whoever,O=Somebody,C=CH')
      expect(csr.attributes).toEqual(
        expect.arrayContaining(['1.2.840.113549.1.9.7', '1.2.840.113549.1.9.2', '1.2.840.113549.1.9.14']),
      )
      const { certificate } = await issuance.issue({ csr }, callerOf())
      expect(certificate.subjectAltName!.map(formatGeneralName)).toEqual(names.map(formatGeneralName))
      expect(
        openssl(
          'verify',
          '-x509_strict',
          '-purpose',
          'sslserver',
          '-CAfile',
          'root.pem',
          '-untrusted',
          'ca.pem',
          write('leaf.pem', certificate.toPem()),
        ),
      ).toContain('OK')
    },
  )

  it.each([
    ['RSA of 1024 bits', 'ERR_KEY_WEAK', ['RSA', 'rsa_keygen_bits:1024'], []],
    ['RSA with the exponent 3', 'ERR_KEY_WEAK', ['RSA', 'rsa_keygen_bits:2048', 'rsa_keygen_pubexp:3'], []],
    ['P-224', 'ERR_KEY_UNSUPPORTED', ['EC', 'ec_paramgen_curve:P-224'], []],
    ['secp256k1', 'ERR_KEY_UNSUPPORTED', ['EC', 'ec_paramgen_curve:secp256k1'], []],
    [
      'explicit parameters',
      'ERR_KEY_EXPLICIT_PARAMETERS',
      ['EC', 'ec_paramgen_curve:P-256', 'ec_param_enc:explicit'],
      [],
    ],
    ['Ed448', 'ERR_KEY_UNSUPPORTED', ['ED448'], []],
    [
      'RSASSA-PSS bound to SHA-1',
      'ERR_KEY_UNSUPPORTED',
      ['RSA-PSS', 'rsa_keygen_bits:2048', 'rsa_pss_keygen_md:sha1'],
      ['-sha1'],
    ],
    ['P-256, signed with SHA-1', 'ERR_ALGORITHM_UNSUPPORTED', undefined, ['-sha1']],
    ['P-256, signed with SHA-224', 'ERR_ALGORITHM_UNSUPPORTED', undefined, ['-sha224']],
    ['RSA-2048, signed with SHA-1', 'ERR_ALGORITHM_UNSUPPORTED', undefined, ['-sha1']],
    ['RSA-2048, signed with MD5', 'ERR_ALGORITHM_UNSUPPORTED', undefined, ['-md5']],
    [
      'RSA-2048, signed by PSS with SHA-1',
      'ERR_ALGORITHM_UNSUPPORTED',
      undefined,
      ['-sha1', '-sigopt', 'rsa_padding_mode:pss'],
    ],
    ['P-256, asking for a CA', 'ERR_CSR_CA_REQUESTED', undefined, ['-reqexts', 'ca']],
    ['P-256, asking for names of others', 'ERR_CSR_SAN_FOREIGN', undefined, ['-reqexts', 'foreign']],
    ['P-256, asking for an extension', 'ERR_CSR_EXTENSION', undefined, ['-reqexts', 'odd']],
  ] as const)('of a key of %s is refused: %s', async (name, code, made, options) => {
    write(
      'req.cnf',
      `${read('req.cnf').toString()}\n[ca]\nbasicConstraints = CA:TRUE\n[foreign]\nsubjectAltName = ` +
        `URI:spiffe://example.org/other\n[odd]\ntlsfeature = status_request\n`,
    )
    const [algorithm, ...pkeyopts] = made ?? []
    if (algorithm !== undefined) genpkey('refused.key', algorithm, ...pkeyopts)
    const csr = request(
      algorithm === undefined ? `${name.split(',')[0]!}.key` : 'refused.key',
      ...options,
    ).toString()
    await expect(issuance.issue({ csr }, callerOf())).rejects.toThrow(expect.objectContaining({ code }))
  })

  it('that were changed on the way are refused', async () => {
    const der = Buffer.from(CertificateRequest.from(request('P-256.key').toString()).der)
    const at = der.indexOf('whoever')
    der[at]! ^= 1
    await expect(issuance.issue({ csr: new Uint8Array(der) }, callerOf())).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_CSR_SIGNATURE' }),
    )
  })
})
