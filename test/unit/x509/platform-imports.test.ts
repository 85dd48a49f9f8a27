// The DER of a key from outside is judged before OpenSSL reads it: explicit curve parameters cost it 0.2 s.

import crypto, { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  readWhole,
  sequence,
  tags,
  unsignedInteger,
} from '../../../src/der/index.ts'
import { secureContextOptions } from '../../../src/adapters/grpc/server/tls-material.ts'
import { encodePem } from '../../../src/internal/pem.ts'
import { importPrivateKey } from '../../../src/keys/index.ts'
import { loadPrivateKey } from '../../../src/keys/internal.ts'
import { TrustBundle } from '../../../src/svid/index.ts'
import { createPathValidator } from '../../../src/validation/index.ts'
import { Certificate, PublicKey } from '../../../src/x509/index.ts'
import { pemForPlatform } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import { slowChain, slowField } from '../../support/slow-chain.ts'

/** How often OpenSSL was given a key or a certificate since the test began. */
const imports = countImports()

function countImports(): () => number {
  let count = 0
  const real = { createPublicKey, createPrivateKey, X509Certificate }
  const counting = <T extends object>(target: T): T => {
    const handler: ProxyHandler<T> = {
      apply(of, self, given): unknown {
        count++
        return Reflect.apply(of as () => unknown, self, given)
      },
      construct(of, given, type): object {
        count++
        return Reflect.construct(of as new () => object, given, type) as object
      },
    }
    return new Proxy(target, handler)
  }
  beforeEach(() => {
    count = 0
    // The bindings of modules that are loaded already change too.
    Object.assign(crypto, {
      createPublicKey: counting(createPublicKey),
      createPrivateKey: counting(createPrivateKey),
      X509Certificate: counting(X509Certificate),
    })
    syncBuiltinESMExports()
  })
  afterEach(() => {
    Object.assign(crypto, real)
    syncBuiltinESMExports()
  })
  return () => count
}

const slow = slowField()
const identifier = readWhole(slow.spki, tags.sequence, 'spki').expect(tags.sequence, 'algorithm').element()
const parameters = identifier.subarray(2 + 2 + 9)
const [leaf, slowCertificate] = Certificate.listFromPem(slowChain(1, slow).cert)
const refused = {
  'octets after it': Buffer.concat([slowCertificate!.der, Buffer.of(0)]),
  'another algorithm inside the signed octets': otherAlgorithm(slowCertificate!.der),
}

function otherAlgorithm(der: Uint8Array): Uint8Array {
  const other = Uint8Array.from(der)
  const at = Buffer.from(der).indexOf(oid('1.2.840.10045.4.3.2'))
  other[at + 9] = 3
  return other
}

describe('nothing is imported', () => {
  it.each([
    ['SPKI', slow.spki],
    ['PEM', encodePem('PUBLIC KEY', slow.spki)],
  ])('of a public key in %s', (_form, input) => {
    const key = PublicKey.from(input)
    expect(() => key.keyObject()).toThrow(code('ERR_KEY_EXPLICIT_PARAMETERS'))
    expect(() => key.checkStrength()).toThrow(code('ERR_KEY_EXPLICIT_PARAMETERS'))
    expect(imports()).toBe(0)
  })

  it.each(['PRIVATE KEY', 'EC PRIVATE KEY', 'CERTIFICATE', 'RSA PUBLIC KEY'])(
    'of a text that is labelled %s, which is no public key',
    (label) => {
      const pem = encodePem(label, slowCertificate!.der)
      expect(() => PublicKey.from(pem)).toThrow(
        `expected a PEM block labelled PUBLIC KEY, found only "${label}"`,
      )
      expect(imports()).toBe(0)
    },
  )

  it('of a private key with explicit parameters, inside or outside', () => {
    const sec1 = (...rest: readonly Uint8Array[]): Uint8Array =>
      sequence(integer(1), octetString(Buffer.alloc(32, 1)), ...rest)
    const pkcs8 = (algorithm: Uint8Array, key: Uint8Array): Uint8Array =>
      sequence(integer(0), algorithm, octetString(key))
    const named = sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7'))
    const inner = sec1(explicit(0, parameters))
    for (const key of [pkcs8(identifier, sec1()), pkcs8(named, inner), pkcs8(identifier, inner), inner])
      for (const pem of [key, encodePem(key === inner ? 'EC PRIVATE KEY' : 'PRIVATE KEY', key)])
        expect(() => importPrivateKey(pem)).toThrow()
    expect(() => loadPrivateKey(pkcs8(identifier, sec1()), 'PKCS#8')).toThrow(
      code('ERR_KEY_EXPLICIT_PARAMETERS'),
    )
    expect(imports()).toBe(0)
  })

  it.each([
    [16_384, 'ERR_KEY_MALFORMED'],
    [8200, 'ERR_KEY_UNSUPPORTED'],
    [1024, 'ERR_KEY_WEAK'],
  ])('of a private RSA key of %i bits', (bits, wanted) => {
    const modulus = Buffer.alloc(bits / 8, 0xff)
    const numbers = [modulus, Buffer.of(1, 0, 1), ...Array.from({ length: 6 }, () => Buffer.of(3))]
    const pkcs1 = sequence(integer(0), ...numbers.map((number) => unsignedInteger(number)))
    const algorithm = sequence(oid('1.2.840.113549.1.1.1'), nullElement())
    const pkcs8 = sequence(integer(0), algorithm, octetString(pkcs1))
    for (const key of [pkcs1, pkcs8]) expect(() => importPrivateKey(key)).toThrow(code(wanted))
    expect(imports()).toBe(0)
  })

  it.each(Object.entries(refused))('to show the subject of a certificate with %s', (_what, der) => {
    const pem = encodePem('CERTIFICATE', der)
    const good = leaf!.toPem()
    expect(() => Certificate.listFromPem(pem + good)).toThrow('block 1 of 2')
    const anchors = [der, pem, slowCertificate!]
    createPathValidator({ anchors, profile: 'rfc5280' })
    new TrustBundle('example.org', { x509Authorities: [der, slowCertificate!] })
    expect(imports()).toBe(0)
  })

  it('for a certificate that is handed to OpenSSL', () => {
    expect(() => slowCertificate!.toNode()).toThrow(code('ERR_KEY_EXPLICIT_PARAMETERS'))
    expect(pemForPlatform([leaf!, slowCertificate!])).toBe(leaf!.toPem())
    const plain = { certificateChain: leaf!.toPem(), privateKey: '', clientRoots: leaf!.toPem() }
    for (const name of ['certificateChain', 'clientRoots'])
      expect(() =>
        secureContextOptions('ERR_SERVER_START', { ...plain, [name]: slowCertificate!.toPem() }, Date.now()),
      ).toThrow(`${name} contains a key with explicit curve parameters`)
    expect(imports()).toBe(0)
  })
})

it('a subject is still shown if the key is named', () => {
  const der = Buffer.concat([leaf!.der, Buffer.of(0)])
  expect(() => Certificate.listFromPem(encodePem('CERTIFICATE', der) + leaf!.toPem())).toThrow('(CN=0)')
  expect(leaf!.toNode().subject).toBe('CN=0')
  expect(imports()).toBe(2)
})
