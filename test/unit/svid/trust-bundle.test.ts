// Trust bundles by rule number: B-1 to B-8, X-13 to X-15, J-12, F-4.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { PkiErrorCode } from '../../../src/errors/index.ts'
import { encodePem } from '../../../src/internal/pem.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import {
  JwtAuthority,
  TrustBundle,
  TrustBundleSet,
  formatBundleMap,
  formatSpiffeBundle,
  parseBundleMap,
  parseSpiffeBundle,
} from '../../../src/svid/index.ts'
import { requireBundle } from '../../../src/svid/internal.ts'
import type { IgnoredKey } from '../../../src/svid/bundle-authorities.ts'
import type { TrustBundleChange } from '../../../src/svid/bundle-source.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { makeAuthority } from '../validation/test-pki.ts'

const { certificate: first } = await makeAuthority('first')
const { certificate: second } = await makeAuthority('second')
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwt = { ...ec.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'jwt-svid' }
/** Both coordinates, one behind the other. */
const point = Buffer.concat([jwt.x, jwt.y].map((text) => Buffer.from(text as string, 'base64url')))
const rsa = {
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
  kid: 'r1',
  use: 'jwt-svid',
}
const [p256, p384, p521] = ['P-256', 'P-384', 'P-521'].map((namedCurve) =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' }),
)
const { certificate: third } = await makeAuthority('third', undefined, {
  signer: new SoftwareSigner(generateKeyPairSync('ed25519').privateKey),
})
const edwards = (): Record<string, unknown> => ({
  ...third.publicKey.keyObject().export({ format: 'jwk' }),
  use: 'x509-svid',
  x5c: [base64(third)],
})
const digits = (text: string): string => Buffer.from(text).toString('hex')
/** With the first octets of one kind in the place of others. */
const replaced = (der: Uint8Array, octets: string, others: string): Uint8Array => {
  const hex = Buffer.from(der).toString('hex')
  expect(hex).toContain(octets)
  return new Uint8Array(Buffer.from(hex.replace(octets, others), 'hex'))
}
const base64 = (certificate: Certificate): string => Buffer.from(certificate.der).toString('base64')
const x509 = (certificate: Certificate): Record<string, unknown> => ({
  kty: 'EC',
  use: 'x509-svid',
  x5c: [base64(certificate)],
})

function read(document: unknown): { bundle: TrustBundle; ignored: IgnoredKey[] } {
  const ignored: IgnoredKey[] = []
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  return {
    bundle: parseSpiffeBundle(text, { trustDomain: 'example.org', onIgnoredKey: (key) => ignored.push(key) }),
    ignored,
  }
}

describe('parseSpiffeBundle', () => {
  it('B-1 reads a bundle with members that nobody knows', () => {
    const { bundle, ignored } = read({
      keys: [x509(first), jwt, rsa],
      spiffe_sequence: 7,
      spiffe_refresh_hint: 60,
      more: {},
    })
    expect(bundle.x509Authorities.map(({ der }) => Buffer.compare(der, first.der))).toEqual([0])
    expect(bundle.jwtAuthorities.map(({ keyId }) => keyId)).toEqual(['k1', 'r1'])
    expect([bundle.sequenceNumber, bundle.refreshHintSeconds, ignored.length]).toEqual([7n, 60, 0])
  })

  it('B-2 keeps every bit of the sequence', () => {
    expect(read('{"keys":[],"spiffe_sequence":18446744073709551615}').bundle.sequenceNumber).toBe(
      18446744073709551615n,
    )
    for (const exact of [0n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 64n + 1n]) {
      const { bundle } = read(`{"keys":[],"spiffe_sequence":${exact}}`)
      expect(bundle.sequenceNumber).toBe(exact)
      expect(formatSpiffeBundle(bundle)).toContain(`"spiffe_sequence":${exact}}`)
      expect(bundle.equals(bundle.with({ sequenceNumber: exact + 1n }))).toBe(false)
    }
  })

  it('B-2, B-3 are optional, and a hint that nobody could wait for is none', () => {
    const { bundle } = read({ keys: [] })
    expect([bundle.sequenceNumber, bundle.refreshHintSeconds]).toEqual([undefined, undefined])
    expect(
      read('{"keys":[],"spiffe_refresh_hint":9007199254740993}').bundle.refreshHintSeconds,
    ).toBeUndefined()
    expect(read('{"keys":[],"spiffe_refresh_hint":9007199254740991}').bundle.refreshHintSeconds).toBe(
      9007199254740991,
    )
    expect(read('{"keys":[],"spiffe_refresh_hint":0}').bundle.refreshHintSeconds).toBe(0)
  })

  it.each<[string, unknown, PkiErrorCode]>([
    ['B-2 a sequence with a fraction', { keys: [], spiffe_sequence: 1.5 }, 'ERR_BUNDLE_MALFORMED'],
    ['B-2 a negative sequence', { keys: [], spiffe_sequence: -1 }, 'ERR_BUNDLE_MALFORMED'],
    ['B-2 a sequence as text', { keys: [], spiffe_sequence: '1' }, 'ERR_BUNDLE_MALFORMED'],
    [
      'B-2 a negative sequence of 64 bits',
      '{"keys":[],"spiffe_sequence":-9223372036854775808}',
      'ERR_BUNDLE_MALFORMED',
    ],
    [
      'B-2 a sequence with an exponent beyond 2^53',
      '{"keys":[],"spiffe_sequence":1e19}',
      'ERR_BUNDLE_MALFORMED',
    ],
    [
      'B-2 a sequence of a thousand digits',
      `{"keys":[],"spiffe_sequence":${'9'.repeat(1000)}}`,
      'ERR_LIMIT_EXCEEDED',
    ],
    ['B-2 a sequence that is null', { keys: [], spiffe_sequence: null }, 'ERR_BUNDLE_MALFORMED'],
    ['B-2 a sequence twice', '{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}', 'ERR_JSON'],
    ['B-3 a negative hint', { keys: [], spiffe_refresh_hint: -1 }, 'ERR_BUNDLE_MALFORMED'],
    ['B-3 a hint with a fraction', { keys: [], spiffe_refresh_hint: 0.5 }, 'ERR_BUNDLE_MALFORMED'],
    ['use twice in one entry', '{"keys":[{"kty":"EC","use":"x509-svid","use":"jwt-svid"}]}', 'ERR_JSON'],
    ['keys twice by an escape', '{"keys":[],"\\u006beys":[]}', 'ERR_JSON'],
    ['a byte order mark', '\ufeff{"keys":[]}', 'ERR_JSON'],
    ['two documents', '{"keys":[]}{"keys":[]}', 'ERR_JSON'],
    ['nothing', '', 'ERR_JSON'],
    ['more than 1 MiB', `{"keys":[],"more":"${'x'.repeat(1024 * 1024)}"}`, 'ERR_LIMIT_EXCEEDED'],
    ['depths', `{"keys":[${'['.repeat(100)}${']'.repeat(100)}]}`, 'ERR_LIMIT_EXCEEDED'],
    ['too many values', { keys: [], more: Array(100_001).fill(1) }, 'ERR_LIMIT_EXCEEDED'],
    ['B-3 a hint as text', { keys: [], spiffe_refresh_hint: '1' }, 'ERR_BUNDLE_MALFORMED'],
    ['B-4 no keys', {}, 'ERR_BUNDLE_MALFORMED'],
    ['B-4 keys is null', { keys: null }, 'ERR_BUNDLE_MALFORMED'],
    ['B-4 keys is an object', { keys: {} }, 'ERR_BUNDLE_MALFORMED'],
    ['an array', [], 'ERR_BUNDLE_MALFORMED'],
    ['keys twice', '{"keys":[],"keys":[]}', 'ERR_JSON'],
    ['too many keys', { keys: Array(1001).fill({}) }, 'ERR_LIMIT_EXCEEDED'],
  ])('refuses %s', (_name, document, wanted) => {
    expect(() => read(document)).toThrow(code(wanted))
  })

  it.each<[string, () => unknown]>([
    ['B-5 no object', () => 1],
    ['B-5 no kty', () => ({ ...x509(first), kty: undefined })],
    ['B-5 an unknown kty', () => ({ ...x509(first), kty: 'oct2' })],
    ['B-5 a JWT authority without kty', () => ({ ...jwt, kid: 'n', kty: undefined })],
    ['B-5 a JWT authority of an unknown kty', () => ({ ...jwt, kid: 'u', kty: 'oct2' })],
    ['B-5 a JWT authority whose kty is no text', () => ({ ...jwt, kid: 't', kty: ['EC'] })],
    ['a kty other than that of its certificate', () => ({ ...x509(first), kty: 'RSA' })],
    ['B-5 no use', () => ({ ...x509(first), use: undefined })],
    ['B-5 use in capitals', () => ({ ...x509(first), use: 'X509-SVID' })],
    ['B-5 use of another kind of SVID', () => ({ ...jwt, use: 'wit-svid' })],
    ['B-5 null', () => null],
    ['B-5 an array', () => [x509(second)]],
    ['B-5 a kty that is no text', () => ({ ...x509(first), kty: ['EC'] })],
    ['B-5 use of both', () => ({ ...x509(first), use: ['x509-svid', 'jwt-svid'] })],
    ['B-5 kty in small letters', () => ({ ...x509(first), kty: 'ec' })],
    ['X-14 x5c that is a text', () => ({ ...x509(first), x5c: base64(first) })],
    ['X-14 x5c with null first', () => ({ ...x509(first), x5c: [null, base64(first)] })],
    ['X-14 x5c with a line break', () => ({ ...x509(first), x5c: [`${base64(first)}\n`] })],
    ['X-14 x5c in PEM', () => ({ ...x509(first), x5c: [first.toPem()] })],
    [
      'X-14 two certificates in one value',
      () => ({ ...x509(first), x5c: [Buffer.concat([first.der, second.der]).toString('base64')] }),
    ],
    ['X-14 no x5c', () => ({ ...x509(first), x5c: undefined })],
    ['X-14 an empty x5c', () => ({ ...x509(first), x5c: [] })],
    ['X-14 a first value that is no certificate', () => ({ ...x509(first), x5c: ['AAAA', base64(first)] })],
    [
      'X-14 a certificate of a key that nobody can use',
      () => ({
        ...x509(first),
        x5c: [
          Buffer.from(
            Buffer.from(first.der).toString('hex').replace('06082a8648ce3d030107', '06082a8648ce3d030101'),
            'hex',
          ).toString('base64'),
        ],
      }),
    ],
    ['X-13 base64url', () => ({ ...x509(first), x5c: [`${base64(first).slice(0, -4)}-_-_`] })],
    ['a certificate of Ed25519 under the name of X25519', () => ({ ...edwards(), crv: 'X25519' })],
    ['members of another key', () => ({ ...jwt, ...x509(first), use: 'x509-svid', kid: undefined })],
    ['a private key', () => ({ ...ec.privateKey.export({ format: 'jwk' }), kid: 'p', use: 'jwt-svid' })],
    ['a certificate beside a private key', () => ({ ...x509(first), d: 'AAAA' })],
    ['J-12 no kid', () => ({ ...jwt, kid: undefined })],
    ['J-12 a kid for the second time', () => ({ ...rsa, kid: 'k0' })],
    [
      'J-3 Ed25519',
      () => ({
        ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }),
        kid: 'e',
        use: 'jwt-svid',
      }),
    ],
    [
      'RSA 1024',
      () => ({
        ...generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }),
        kid: 'w',
        use: 'jwt-svid',
      }),
    ],
    ['a point that is not on the curve', () => ({ ...jwt, kid: 'o', y: jwt.x })],
  ])('passes over one entry, alone: %s', (_name, make) => {
    const { bundle, ignored } = read({ keys: [{ ...jwt, kid: 'k0' }, make(), x509(second)] })
    expect(ignored.map(({ index }) => index)).toEqual([1])
    expect(bundle.x509Authorities).toHaveLength(1)
  })

  it.each<[string, unknown, string]>([
    ['a use of OIDC', { ...jwt, use: 'sig' }, 'use is "sig"; expected "x509-svid" or "jwt-svid" (B-5)'],
    ['a use that turns the line', { ...jwt, use: 'a\u202eb' }, 'use is "a\\u{202e}b"; expected'],
    ['a kid that is a number', { ...jwt, kid: 7 }, 'the kid is a number; expected a text (J-12)'],
    ['an alg of a MAC', { ...jwt, alg: 'HS256' }, 'alg is "HS256"; expected ES256 (J-3)'],
    ['null', null, 'the entry is null; expected an object'],
    ['x5c as text', { ...jwt, use: 'x509-svid', x5c: 'MIIB' }, 'x5c is a string; expected an array'],
    ['x5c of numbers', { ...jwt, use: 'x509-svid', x5c: [1] }, 'x5c is a number in an array; expected'],
    ['no x5c', { ...jwt, use: 'x509-svid' }, 'x5c is undefined; expected an array'],
  ])('says what it found and expected of %s', (_what, entry, wanted) => {
    const [ignored] = read({ keys: [entry] }).ignored
    expect(ignored?.reason).toContain(wanted)
  })

  it('says what it found in place of a document', () => {
    const bundleOf = (document: string) => () => parseSpiffeBundle(document, { trustDomain: 'example.org' })
    expect(bundleOf('[]')).toThrow('not a SPIFFE trust bundle: found an empty array, expected an object')
    expect(bundleOf('{"keys":null}')).toThrow('keys is null, expected an array (B-4)')
    expect(bundleOf('{"keys":[],"spiffe_sequence":"1"}')).toThrow(
      'spiffe_sequence is "1", expected an integer',
    )
  })

  it('R21 reads the JWK set of the Workload API, which has no use, where it is asked to', () => {
    const { use: _use, ...workloadApi } = jwt
    const document = JSON.stringify({ keys: [workloadApi, { ...rsa, use: undefined }] })
    const asked = parseSpiffeBundle(document, { trustDomain: 'example.org', keysWithoutUse: 'jwt-svid' })
    expect(asked.jwtAuthorities.map(({ keyId }) => keyId)).toEqual(['k1', 'r1'])
    expect(asked.ignored).toEqual([])
    const { bundle, ignored } = read(document)
    expect([bundle.isEmpty, ignored.length]).toEqual([true, 2])
    expect(bundle.ignored).toEqual(ignored)
    expect(bundle.ignored[0]?.reason).toContain("keysWithoutUse: 'jwt-svid'")
    // A use that is there is still compared; one without a kid is no key.
    for (const odd of [
      { ...jwt, use: 'wit-svid' },
      { ...workloadApi, kid: undefined },
      { ...workloadApi, use: null },
    ])
      expect(
        parseSpiffeBundle(JSON.stringify({ keys: [odd] }), {
          trustDomain: 'example.org',
          keysWithoutUse: 'jwt-svid',
        }).ignored,
      ).toHaveLength(1)
    expect(() =>
      parseSpiffeBundle(document, { trustDomain: 'example.org', keysWithoutUse: 'x509' as 'jwt-svid' }),
    ).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('X-14 takes the first value of x5c and ignores the others', () => {
    const { bundle } = read({
      keys: [{ ...x509(first), x5c: [base64(first), base64(second), 'rubbish', 1] }],
    })
    expect(
      bundle.x509Authorities.map(
        (found) => bundle.hasX509Authority(first) && Buffer.compare(found.der, first.der),
      ),
    ).toEqual([0])
  })

  it.each([[[]], [[{ kty: 'EC' }]]])('B-4 a bundle of nothing usable is valid and empty', (keys) => {
    expect(read({ keys }).bundle.isEmpty).toBe(true)
  })

  it('has authorities of Ed25519, with their members or without', () => {
    const { bundle, ignored } = read({ keys: [edwards(), x509(first)] })
    expect([bundle.x509Authorities.length, ignored]).toEqual([2, []])
    expect(read(formatSpiffeBundle(bundle)).bundle.equals(bundle)).toBe(true)
  })

  it('comes back as it was written', () => {
    const bundle = new TrustBundle('example.org', {
      x509Authorities: [first, second],
      jwtAuthorities: [JwtAuthority.fromJwk(jwt), JwtAuthority.fromJwk(rsa)],
      sequenceNumber: 2n ** 63n,
      refreshHintSeconds: 300,
    })
    expect(read(formatSpiffeBundle(bundle)).bundle.equals(bundle)).toBe(true)
    const [entry] = (JSON.parse(formatSpiffeBundle(bundle)) as { keys: Record<string, unknown>[] }).keys
    expect([entry?.['use'], entry?.['kid'], (entry?.['x5c'] as string[]).length]).toEqual([
      'x509-svid',
      undefined,
      1,
    ])
  })
})

describe('JwtAuthority', () => {
  it.each<[string, Record<string, unknown>, PkiErrorCode]>([
    ['no kty', { kid: 'a' }, 'ERR_JWK_INVALID'],
    ['a curve of its own', { ...jwt, crv: 'P-224' }, 'ERR_JWK_INVALID'],
    ['a short coordinate', { ...jwt, x: 'AAAA' }, 'ERR_JWK_INVALID'],
    [
      'a coordinate with an octet of the other',
      { ...jwt, x: point.subarray(0, 31).toString('base64url'), y: point.subarray(31).toString('base64url') },
      'ERR_JWK_INVALID',
    ],
    [
      'a modulus with a zero octet before it (RFC 7518 §2)',
      {
        ...rsa,
        n: Buffer.concat([Buffer.of(0), Buffer.from(rsa.n as string, 'base64url')]).toString('base64url'),
      },
      'ERR_JWK_INVALID',
    ],
    ['a modulus without an end', { ...rsa, n: '_'.repeat(4096) }, 'ERR_JWK_INVALID'],
    ['an even modulus', { ...rsa, n: Buffer.alloc(256, 0x80).toString('base64url') }, 'ERR_JWK_INVALID'],
    [
      'an exponent of nine octets',
      { ...rsa, e: Buffer.alloc(9, 1).toString('base64url') },
      'ERR_JWK_INVALID',
    ],
    ['one coordinate', { ...jwt, y: undefined }, 'ERR_JWK_INVALID'],
    ['a coordinate that is a number', { ...jwt, y: 7 }, 'ERR_JWK_INVALID'],
    ['no octet of an exponent', { ...rsa, e: '' }, 'ERR_JWK_INVALID'],
    ['an alg that does not fit', { ...jwt, alg: 'RS256' }, 'ERR_JWK_INVALID'],
    ['key_ops without verify', { ...jwt, key_ops: ['sign'] }, 'ERR_JWK_INVALID'],
    ['key_ops that are a text', { ...jwt, key_ops: 'verify' }, 'ERR_JWK_INVALID'],
    ['a private key', { ...ec.privateKey.export({ format: 'jwk' }), kid: 'p' }, 'ERR_JWK_INVALID'],
    ['a kid of nothing', { ...jwt, kid: '' }, 'ERR_JWK_INVALID'],
    ['a kid of 1,025 characters', { ...jwt, kid: 'k'.repeat(1025) }, 'ERR_JWK_INVALID'],
    ['a symmetric key', { kty: 'oct', k: 'AAAA', kid: 'a' }, 'ERR_JWK_INVALID'],
  ])('refuses %s', (_name, jwk, wanted) => {
    expect(() => JwtAuthority.fromJwk(jwk)).toThrow(code(wanted))
  })

  it.each<[string, Record<string, unknown>, readonly string[]]>([
    ['a kid of 1,024 characters', { ...jwt, kid: 'k'.repeat(1024) }, ['ES256']],
    ['key_ops with verify', { ...jwt, key_ops: ['verify'] }, ['ES256']],
    ['P-384', { ...p384, kid: 'k' }, ['ES384']],
    ['P-521', { ...p521, kid: 'k' }, ['ES512']],
  ])('takes %s, and gives it back', (_name, jwk, algorithms) => {
    const authority = JwtAuthority.fromJwk(jwk)
    expect(authority.algorithms).toEqual(algorithms)
    expect(authority.toJwk()).toMatchObject({
      kty: 'EC',
      crv: jwk['crv'],
      x: jwk['x'],
      y: jwk['y'],
      kid: jwk['kid'],
    })
    expect(JwtAuthority.fromJwk(authority.toJwk()).equals(authority)).toBe(true)
  })

  it('is another under another kid, or with another key', () => {
    const authority = JwtAuthority.from('k1', ec.publicKey)
    expect(
      [
        JwtAuthority.fromJwk(jwt),
        JwtAuthority.from('k2', ec.publicKey),
        JwtAuthority.fromJwk({ ...p256, kid: 'k1' }),
      ].map((other) => authority.equals(other)),
    ).toEqual([true, false, false])
  })

  it('is no key that is weak', () => {
    expect(() =>
      JwtAuthority.from('k', generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
    ).toThrow(code('ERR_KEY_WEAK'))
  })

  it.each([undefined, 7, null, new String('k1')])('refuses %j for a kid', (keyId) => {
    expect(() => JwtAuthority.from(keyId as never, ec.publicKey)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('bundle maps', () => {
  const map = (domains: string): string => `{"trust_domains":${domains}}`

  it('B-8 reads each trust domain apart, without hints', () => {
    const set = parseBundleMap(
      JSON.stringify({
        trust_domains: { 'a.org': { keys: [x509(first)], spiffe_refresh_hint: 5 }, 'b.org': { keys: [] } },
      }),
    )
    expect(
      set.bundles.map(({ trustDomain, refreshHintSeconds }) => [trustDomain.name, refreshHintSeconds]),
    ).toEqual([
      ['a.org', undefined],
      ['b.org', undefined],
    ])
    expect(formatBundleMap([new TrustBundle('a.org', { refreshHintSeconds: 5 })])).not.toContain('hint')
    expect(
      parseBundleMap(formatBundleMap(set)).bundles.every((bundle, at) => bundle.equals(set.bundles[at]!)),
    ).toBe(true)
  })

  it.each<[string, string, PkiErrorCode]>([
    ['B-7 a trust domain twice', map('{"a.org":{"keys":[]},"a.org":{"keys":[]}}'), 'ERR_JSON'],
    ['B-7 twice by an escape', map('{"a.org":{"keys":[]},"\\u0061.org":{"keys":[]}}'), 'ERR_JSON'],
    [
      'B-7 a sequence twice in one bundle',
      map('{"a.org":{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}}'),
      'ERR_JSON',
    ],
    ['B-7 trust_domains twice', '{"trust_domains":{},"trust_domains":{"a.org":{"keys":[]}}}', 'ERR_JSON'],
    ['B-7 trust_domains is an array', map('[{"keys":[]}]'), 'ERR_BUNDLE_MALFORMED'],
    ['B-7 trust_domains is null', map('null'), 'ERR_BUNDLE_MALFORMED'],
    ['B-7 an empty name', map('{"":{"keys":[]}}'), 'ERR_TRUST_DOMAIN_INVALID'],
    ['B-7 a name with a port', map('{"a.org:1":{"keys":[]}}'), 'ERR_TRUST_DOMAIN_INVALID'],
    [
      'more trust domains than 10,000',
      map(
        JSON.stringify(
          Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`t${at}.org`, { keys: [] }])),
        ),
      ),
      'ERR_LIMIT_EXCEEDED',
    ],
    [
      'too many keys in one bundle',
      map(JSON.stringify({ 'a.org': { keys: Array(1001).fill({}) } })),
      'ERR_LIMIT_EXCEEDED',
    ],
    ['B-7 by its ID', map('{"spiffe://a.org":{"keys":[]}}'), 'ERR_TRUST_DOMAIN_INVALID'],
    ['no trust domain', map('{"A.org":{"keys":[]}}'), 'ERR_TRUST_DOMAIN_INVALID'],
    ['B-7 no trust_domains', '{}', 'ERR_BUNDLE_MALFORMED'],
    ['a bundle without keys', map('{"a.org":{"keys":[]},"b.org":{}}'), 'ERR_BUNDLE_MALFORMED'],
    ['a bundle that is null', map('{"a.org":null}'), 'ERR_BUNDLE_MALFORMED'],
    ['__proto__', map('{"__proto__":{"keys":[]}}'), 'ERR_JSON'],
  ])('refuses %s', (_name, document, wanted) => {
    expect(() => parseBundleMap(document)).toThrow(code(wanted))
  })

  it(
    'B-2 keeps every bit of each sequence, B-5 passes over each bad entry with the name of its ' + 'bundle',
    () => {
      const ignored: IgnoredKey[] = []
      const set = parseBundleMap(
        map(
          `{"b.org":{"keys":[{"kty":"EC"},${JSON.stringify(x509(first))}` +
            `],"spiffe_sequence":9007199254740993},"a.org":{"keys":[1]}}`,
        ),
        { onIgnoredKey: (key) => ignored.push(key) },
      )
      expect(
        set.bundles.map(({ trustDomain, sequenceNumber, x509Authorities }) => [
          trustDomain.name,
          sequenceNumber,
          x509Authorities.length,
        ]),
      ).toEqual([
        ['a.org', undefined, 0],
        ['b.org', 9007199254740993n, 1],
      ])
      expect(ignored.map(({ trustDomain, index }) => [trustDomain, index])).toEqual([
        ['b.org', 0],
        ['a.org', 0],
      ])
    },
  )

  it('reads an empty map', () => {
    expect(parseBundleMap(map('{}')).size).toBe(0)
  })
})

describe('TrustBundle and TrustBundleSet', () => {
  it('reads PEM and DER, each certificate once', () => {
    const bundle = TrustBundle.fromPem(first.toPem() + second.toPem() + first.toPem(), {
      trustDomain: 'a.org',
    })
    expect(bundle.x509Authorities).toHaveLength(2)
    expect(TrustBundle.fromDer(bundle.toDer(), { trustDomain: 'a.org' }).equals(bundle)).toBe(true)
    expect(TrustBundle.fromDer(new Uint8Array(), { trustDomain: 'a.org' }).isEmpty).toBe(true)
    expect(() => TrustBundle.fromDer(bundle.toDer().subarray(1), { trustDomain: 'a.org' })).toThrow(
      code('ERR_DER'),
    )
    expect(() => TrustBundle.fromPem('none', { trustDomain: 'a.org' })).toThrow(code('ERR_PEM'))
    expect(() =>
      TrustBundle.fromPem(`${first.toPem()}-----BEGIN CERTIFICATE-----\nAAAA`, { trustDomain: 'a.org' }),
    ).toThrow(code('ERR_PEM'))
    expect(() =>
      TrustBundle.fromDer(Buffer.concat([first.der, Uint8Array.of(0)]), { trustDomain: 'a.org' }),
    ).toThrow(code('ERR_DER'))
    expect(() =>
      TrustBundle.fromDer(Buffer.concat([first.der, second.der]).subarray(0, -1), { trustDomain: 'a.org' }),
    ).toThrow(code('ERR_DER'))
    // What was read is a copy: bytes that change afterwards change no bundle.
    const bytes = Uint8Array.from(first.der)
    const kept = TrustBundle.fromDer(bytes, { trustDomain: 'a.org' })
    bytes.fill(0)
    expect(kept.hasX509Authority(first)).toBe(true)
  })

  it.each<[string, (bad: Certificate) => string | Uint8Array, PkiErrorCode]>([
    ['no DER', () => Buffer.from('no DER'), 'ERR_DER'],
    ['a serial number cut off', ({ der }) => der.subarray(0, -4), 'ERR_DER'],
    ['another version', ({ der }) => replaced(der, 'a003020102', 'a003020107'), 'ERR_CERTIFICATE_MALFORMED'],
    [
      'a date that does not exist',
      ({ der }) => replaced(der, digits('261231'), digits('261331')),
      'ERR_TIME_INVALID',
    ],
    ['an odd extension', ({ der }) => replaced(der, '30030101ff', '30030102ff'), 'ERR_DER'],
  ])('keeps the authorities beside one that cannot be read, and says which: %s', (_what, spoil, wanted) => {
    const pem = (der: string | Uint8Array): string =>
      typeof der === 'string' ? der : encodePem('CERTIFICATE', der)
    const blocks = [first.toPem(), pem(spoil(second)), third.toPem()]
    const bundle = TrustBundle.fromPem(blocks.join('a comment\n'), { trustDomain: 'a.org' })
    expect(bundle.x509Authorities).toEqual([first, third])
    expect(bundle.ignored).toEqual([
      expect.objectContaining({ trustDomain: 'a.org', index: 1, code: wanted }),
    ])
    const inCode = new TrustBundle('a.org', { x509Authorities: [first, spoil(second), third] })
    expect(inCode.ignored).toEqual(bundle.ignored)
    if (wanted === 'ERR_DER') return
    // Where nobody is left, the error says who was there.
    expect(() => TrustBundle.fromPem(blocks[1] as string, { trustDomain: 'a.org' })).toThrow(code(wanted))
  })

  it('says which authority is of no type of certificate', () => {
    for (const bad of [5, undefined, {}])
      expect(
        () => new TrustBundle('a.org', { x509Authorities: [first, bad as unknown as Certificate] }),
      ).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_ARGUMENT',
          message: expect.stringContaining('x509Authorities[1]'),
        }),
      )
  })

  it('reads the octets of certificates once: what changes later changes no bundle', () => {
    const bytes = Uint8Array.from(first.der)
    const pem = Buffer.from(first.toPem())
    const bundles = [
      new TrustBundle('a.org', { x509Authorities: [bytes] }),
      TrustBundle.fromPem(pem, { trustDomain: 'a.org' }),
      TrustBundle.fromDer(bytes, { trustDomain: 'a.org' }),
    ]
    bytes.fill(0)
    pem.fill(0)
    for (const bundle of bundles) {
      expect(bundle.hasX509Authority(first)).toBe(true)
      expect(
        [bundle, bundle.x509Authorities, bundle.jwtAuthorities, bundle.ignored].every(Object.isFrozen),
      ).toBe(true)
    }
  })

  it('F-4 never answers for another trust domain', () => {
    const bundle = TrustBundle.fromPem(first.toPem(), { trustDomain: 'a.org' })
    const other = TrustDomain.parse('b.org')
    expect(bundle.bundleFor(other)).toBeUndefined()
    expect(() => requireBundle(other, { bundleFor: () => bundle })).toThrow(code('ERR_BUNDLE_NOT_FOUND'))
    expect(() =>
      requireBundle(bundle.trustDomain, { bundleFor: () => Promise.resolve(bundle) as never }),
    ).toThrow(code('ERR_BUNDLE_NOT_FOUND'))
    expect(() => new TrustBundleSet([bundle, bundle.with({ sequenceNumber: 1n })])).toThrow(
      code('ERR_BUNDLE_DUPLICATE'),
    )
  })

  it('takes a trust domain out by its ID as by its name (F-14), and says what names none', () => {
    const set = new TrustBundleSet([new TrustBundle('a.org'), new TrustBundle('b.org')])
    expect([set.has('spiffe://a.org'), set.delete('spiffe://a.org'), set.delete('b.org'), set.size]).toEqual([
      true,
      true,
      true,
      0,
    ])
    expect(() => set.delete('A.org')).toThrow(code('ERR_TRUST_DOMAIN_INVALID'))
    expect(() => set.has('spiffe://a.org/x')).toThrow(code('ERR_TRUST_DOMAIN_INVALID'))
  })

  it('keeps the algorithm that a key is bound to, and sees that as a change (RFC 7517 §4.4)', () => {
    const [wide, narrow] = [read({ keys: [rsa] }).bundle, read({ keys: [{ ...rsa, alg: 'PS256' }] }).bundle]
    const again = read(formatSpiffeBundle(narrow)).bundle
    expect([wide, narrow, again].map(({ jwtAuthorities: [key] }) => key?.algorithms.length)).toEqual([
      6, 1, 1,
    ])
    expect([wide.equals(narrow), again.equals(narrow)]).toEqual([false, true])
    expect(formatSpiffeBundle(wide)).not.toContain('"alg"')
    const set = new TrustBundleSet([wide])
    const seen: (number | undefined)[] = []
    set.onChange(({ bundle }) => seen.push(bundle?.jwtAuthorities[0]?.algorithms.length))
    set.set(narrow)
    expect(seen).toEqual([1])
  })

  it('reads nothing under a limit that is no number', () => {
    const document = JSON.stringify({ keys: [] })
    for (const limits of [{ maxBytes: Number.NaN }, { maxKeys: Number.NaN }])
      expect(() => parseSpiffeBundle(document, { trustDomain: 'a.org', ...limits })).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    expect(() =>
      parseBundleMap(JSON.stringify({ trust_domains: {} }), { maxTrustDomains: Number.NaN }),
    ).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('tells each change that is one, and none after it is stopped', () => {
    const set = new TrustBundleSet()
    const seen: string[] = []
    const stop = set.onChange(({ trustDomain, bundle }: TrustBundleChange) =>
      seen.push(`${trustDomain.name} ${bundle?.x509Authorities.length ?? 'gone'}`),
    )
    const a = TrustBundle.fromPem(first.toPem(), { trustDomain: 'a.org' })
    set.set(a)
    set.set(TrustBundle.fromPem(first.toPem(), { trustDomain: 'a.org' }))
    set.replaceAll([new TrustBundle('b.org')])
    expect(() => {
      set.replaceAll([a, a])
    }).toThrow(code('ERR_BUNDLE_DUPLICATE'))
    expect([set.delete('b.org'), set.delete('b.org'), set.has('a.org')]).toEqual([true, false, false])
    stop()
    set.set(a)
    expect(seen).toEqual(['a.org 1', 'a.org gone', 'b.org 0', 'b.org gone'])
  })

  it('tells every listener every change, although one throws', () => {
    const set = new TrustBundleSet([new TrustBundle('a.org')])
    const seen: string[] = []
    const failure = new TypeError('a listener')
    set.onChange(({ trustDomain }) => {
      seen.push(`first ${trustDomain.name}`)
      throw failure
    })
    set.onChange(({ trustDomain }) => seen.push(`second ${trustDomain.name}`))
    expect(() => {
      set.replaceAll([new TrustBundle('b.org'), new TrustBundle('c.org')])
    }).toThrow(failure)
    expect(seen).toEqual(['a.org', 'b.org', 'c.org'].flatMap((name) => [`first ${name}`, `second ${name}`]))
    expect([set.has('a.org'), set.has('b.org'), set.has('c.org')]).toEqual([false, true, true])
  })
})
