// Twice the input takes about twice the time, up to 1 MiB: t(2n) / t(n) <= 2.5.

import { describe, expect, it } from 'vitest'
import { checkWellFormed, element, sequence } from '../../src/der/index.ts'
import { decodePem, encodePem } from '../../src/internal/pem.ts'
import { decodeBase64, encodeBase64 } from '../../src/internal/encodings/base64.ts'
import { parseJson } from '../../src/internal/json.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { verifyPath } from '../../src/validation/index.ts'
import {
  Certificate,
  CertificateRequest,
  DistinguishedName,
  Crl,
  buildCertificate,
  buildCertificateRequest,
  buildCrl,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import { generateSerialNumber } from '../../src/x509/internal.ts'

const attempt = (work: () => void): void => {
  try {
    work()
  } catch {
    // A limit that refuses is as good as an answer: what counts is when.
  }
}

/**
 * The quickest of `rounds` turns, each long enough to be measured. The quickest of several runs: noise only
 * ever adds time.
 */
function quickest(work: () => void, rounds = 9): number {
  let repeat = 1
  for (;;) {
    const started = performance.now()
    for (let i = 0; i < repeat; i++) attempt(work)
    if (performance.now() - started > 2 || repeat >= 4096) break
    repeat *= 2
  }
  let best = Infinity
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    for (let i = 0; i < repeat; i++) attempt(work)
    best = Math.min(best, (performance.now() - started) / repeat)
  }
  return best
}

const signer = await SoftwareSigner.generate('P-256')
const name = DistinguishedName.parse('CN=complexity')
const [notBefore, notAfter] = [new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')]
const certificate = (
  extensions: Parameters<typeof buildCertificate>[0]['extensions'],
  subject = name,
): Promise<Certificate> =>
  buildCertificate(
    { issuer: name, subject, publicKey: signer.publicKey, notBefore, notAfter, extensions },
    signer,
  )
const small = (await certificate({})).toPem()
const list = async (count: number): Promise<Uint8Array> =>
  (
    await buildCrl(
      {
        issuer: name,
        thisUpdate: notBefore,
        nextUpdate: notAfter,
        crlNumber: 1,
        authorityKeyIdentifier: signer.publicKey.keyIdentifier,
        entries: Array.from({ length: count }, () => ({
          serialNumber: generateSerialNumber(),
          revocationDate: notBefore,
          reason: 'keyCompromise' as const,
        })),
      },
      signer,
    )
  ).der

interface Case {
  readonly what: string
  /** The larger of the two sizes; about 1 MiB of input where the format allows that much. */
  readonly size: number
  readonly make: (size: number) => (() => void) | Promise<() => void>
}

const cases: readonly Case[] = [
  {
    what: 'base64',
    size: 1 << 20,
    make: (size) => {
      const text = encodeBase64(new Uint8Array(size))
      return () => void decodeBase64(text)
    },
  },
  {
    what: 'a PEM block',
    size: 1 << 20,
    make: (size) => {
      const text = encodePem('X509 CRL', new Uint8Array(size))
      return () => void decodePem(text)
    },
  },
  {
    what: 'writing PEM',
    size: 1 << 20,
    make: (size) => {
      const octets = new Uint8Array(size)
      return () => void encodePem('X509 CRL', octets)
    },
  },
  {
    what: 'many PEM blocks',
    size: 2000,
    make: (size) => {
      const text = small.repeat(size)
      return () => void Certificate.listFromPem(text)
    },
  },
  {
    what: 'text without a PEM block',
    size: 1 << 20,
    make: (size) => {
      const text = '-----BEGIN'.repeat(size / 10)
      return () => void decodePem(text)
    },
  },
  {
    what: 'wide DER',
    size: 1 << 18,
    make: (size) => {
      const der = sequence(Buffer.alloc(size * 2, Uint8Array.of(5, 0)))
      return () => checkWellFormed(der, 'wide')
    },
  },
  {
    what: 'deep DER',
    size: 4096,
    make: (size) => {
      let der: Uint8Array = sequence()
      for (let i = 0; i < size; i++) der = sequence(der)
      return () => checkWellFormed(der, 'deep')
    },
  },
  {
    what: 'a CRL',
    size: 20_000,
    make: async (size) => {
      const der = await list(size)
      return () => void Crl.parse(der).indexByteLength
    },
  },
  {
    what: 'a certificate with many names',
    size: 40_000,
    make: async (size) => {
      const { der } = await certificate({
        subjectAltName: Array.from({ length: size }, (_, i) => generalName.dns(`n${i}.example.org`)),
      })
      return () => Certificate.parse(der).checkAll()
    },
  },
  {
    what: 'a request with many names',
    size: 2000,
    make: async (size) => {
      const { der } = await buildCertificateRequest(
        {
          extensions: {
            subjectAltName: Array.from({ length: size }, (_, i) => generalName.dns(`n${i}.example.org`)),
          },
        },
        signer,
      )
      return () => CertificateRequest.parse(der).checkAll()
    },
  },
  {
    what: 'a name with many parts',
    size: 20_000,
    make: (size) => {
      const der = sequence(
        Buffer.concat(
          Array.from({ length: size }, () =>
            element(0x31, sequence(element(6, Uint8Array.of(0x55, 4, 3)), element(0x0c, Buffer.from('abc')))),
          ),
        ),
      )
      return () => void DistinguishedName.fromDer(der).comparisonKey
    },
  },
  {
    what: 'a name of letters under many marks',
    size: 1 << 16,
    make: (size) => {
      const der = sequence(
        element(
          0x31,
          sequence(
            element(6, Uint8Array.of(0x55, 4, 3)),
            element(0x0c, Buffer.from(`a${'\u0301\u0316'.repeat(31)}`.repeat(size / 64))),
          ),
        ),
      )
      return () => void DistinguishedName.fromDer(der).comparisonKey
    },
  },
  {
    what: 'a name as text',
    size: 1 << 16,
    make: (size) => {
      const text = Array.from({ length: size / 8 }, () => 'CN=a\\,b').join(',')
      return () => void DistinguishedName.parse(text)
    },
  },
  {
    what: 'a certificate with many extensions',
    size: 4000,
    make: async (size) => {
      const { der } = await certificate({
        other: Array.from({ length: Math.min(size, 90) }, (_, i) => ({
          oid: `1.2.3.${i}`,
          critical: false,
          value: new Uint8Array(size),
        })),
      })
      return () => Certificate.parse(der).checkAll()
    },
  },
  {
    what: 'a certificate of a long policy list',
    size: 10_000,
    make: async (size) => {
      const { der } = await certificate({
        certificatePolicies: Array.from({ length: size }, (_, i) => `1.2.3.${i}`),
      })
      return () => Certificate.parse(der).checkAll()
    },
  },
  {
    what: 'a SPIFFE ID',
    size: 1 << 20,
    make: (size) => {
      const text = `spiffe://example.org/${'a/'.repeat(size / 2)}b`
      return () => void SpiffeId.parse(text)
    },
  },
  {
    what: 'JSON',
    size: 1 << 20,
    make: (size) => {
      const text = `[${`{"a":"${'x'.repeat(92)}"},`.repeat(size / 101)}1]`
      return () => void parseJson(text, { maxBytes: 1 << 22, maxValues: 1 << 22, bigIntegers: false })
    },
  },
  {
    what: 'JSON of one long number',
    size: 1 << 16,
    make: (size) => {
      const text = '1'.repeat(size)
      return () => void parseJson(text, { maxBytes: 1 << 22, maxValues: 100, bigIntegers: true })
    },
  },
]

describe('time grows no faster than the input', () => {
  it.each(cases)('$what', { timeout: 60_000 }, async ({ size, make }) => {
    const [half, whole] = [await make(size / 2), await make(size)]
    let ratio = Infinity
    // The quickest of both may still have been disturbed: again, before it counts.
    for (let i = 0; i < 4 && ratio > 2.5; i++) ratio = Math.min(ratio, quickest(whole) / quickest(half))
    expect(ratio).toBeLessThanOrEqual(2.5)
  })
})

describe('what a peer can make expensive ends in a verdict', () => {
  it('2,048 names under 2,048 constraints', async () => {
    const ca = await certificate({
      basicConstraints: { ca: true, pathLength: undefined },
      keyUsage: ['keyCertSign'],
      subjectKeyIdentifier: signer.publicKey,
      nameConstraints: {
        permitted: Array.from({ length: 1024 }, (_, i) => generalName.dns(`p${i}.example`)),
        excluded: Array.from({ length: 1024 }, (_, i) => generalName.dns(`x${i}.example`)),
      },
    })
    const leaf = await buildCertificate(
      {
        issuer: name,
        subject: DistinguishedName.parse('CN=leaf'),
        publicKey: signer.publicKey,
        notBefore,
        notAfter,
        extensions: {
          keyUsage: ['digitalSignature'],
          extendedKeyUsage: [keyPurposeOids.serverAuth],
          subjectAltName: Array.from({ length: 2048 }, (_, i) =>
            generalName.dns(`n${i}.p${i % 1024}.example`),
          ),
        },
      },
      signer,
    )
    const verify = (): string => {
      const verdict = verifyPath(leaf.der, {
        anchors: [ca],
        profile: 'spiffe',
        time: new Date('2026-06-01T00:00:00Z'),
      })
      return verdict.ok ? 'ok' : verdict.rejected[0]!.code
    }
    expect(verify()).toBe('ERR_PATH_BUDGET')
    // As many times the cost of checking one signature of P-256, some 60 µs where 250 ms were measured, as
    // fit: 250 ms / 60 µs.
    const one = quickest(() => void leaf.verifySignatureBy(signer.publicKey))
    expect(quickest(() => void verify(), 3) / one).toBeLessThan(4000)
  })

  it('100 candidates a level, none of which signed', { timeout: 60_000 }, async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => SoftwareSigner.generate('P-256')))
    const level = async (issuer: string, subject: string): Promise<Certificate[]> =>
      Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          buildCertificate(
            {
              issuer: DistinguishedName.parse(issuer),
              subject: DistinguishedName.parse(subject),
              publicKey: keys[i % 8]!.publicKey,
              notBefore,
              notAfter,
              serialNumber: generateSerialNumber(),
              extensions: {
                basicConstraints: { ca: true, pathLength: undefined },
                keyUsage: ['keyCertSign'],
                subjectKeyIdentifier: keys[i % 8]!.publicKey,
              },
            },
            keys[(i + 1) % 8]!,
          ),
        ),
      )
    const intermediates = [
      ...(await level('CN=root', 'CN=a')),
      ...(await level('CN=a', 'CN=b')),
      ...(await level('CN=b', 'CN=c')),
    ]
    const leaf = await buildCertificate(
      {
        issuer: DistinguishedName.parse('CN=c'),
        subject: name,
        publicKey: signer.publicKey,
        notBefore,
        notAfter,
        extensions: { subjectAltName: [generalName.dns('a.example')] },
      },
      keys[0]!,
    )
    const root = await buildCertificate(
      {
        issuer: DistinguishedName.parse('CN=root'),
        subject: DistinguishedName.parse('CN=root'),
        publicKey: signer.publicKey,
        notBefore,
        notAfter,
        extensions: { basicConstraints: { ca: true, pathLength: undefined }, keyUsage: ['keyCertSign'] },
      },
      signer,
    )
    const verify = (): string[] => {
      const verdict = verifyPath(leaf.der, {
        anchors: [root],
        intermediates: intermediates.map(({ der }) => der),
        profile: 'spiffe',
        time: new Date('2026-06-01T00:00:00Z'),
      })
      return verdict.ok ? ['ok'] : verdict.rejected.map(({ code }) => code)
    }
    expect(verify()).toContain('ERR_PATH_BUDGET')
    const one = quickest(() => void leaf.verifySignatureBy(signer.publicKey))
    expect(quickest(() => void verify(), 3) / one).toBeLessThan(4000)
  })
})
