// Every public function, static method and constructor of the layers and adapters is called with values of
// wrong types: whatever is refused is refused by a PkiError.

import { describe, expect, it } from 'vitest'
import * as files from '../../src/adapters/files/index.ts'
import * as googleCas from '../../src/adapters/google-cas/index.ts'
import * as grpc from '../../src/adapters/grpc/index.ts'
import * as sds from '../../src/adapters/grpc/sds/index.ts'
import * as workloadApi from '../../src/adapters/grpc/workload-api/index.ts'
import * as http from '../../src/adapters/http/index.ts'
import * as pkcs11 from '../../src/adapters/pkcs11/index.ts'
import * as policyFile from '../../src/adapters/policy-file/index.ts'
import * as postgres from '../../src/adapters/postgres/index.ts'
import * as prometheus from '../../src/adapters/prometheus/index.ts'
import * as sqlite from '../../src/adapters/sqlite/index.ts'
import * as tls from '../../src/adapters/tls/index.ts'
import * as vault from '../../src/adapters/vault/index.ts'
import * as workers from '../../src/adapters/workers/index.ts'
import * as audit from '../../src/audit/index.ts'
import * as auth from '../../src/auth/index.ts'
import * as ca from '../../src/ca/index.ts'
import * as errors from '../../src/errors/index.ts'
import * as federation from '../../src/federation/index.ts'
import * as issuance from '../../src/issuance/index.ts'
import * as keys from '../../src/keys/index.ts'
import * as policy from '../../src/policy/index.ts'
import * as runtime from '../../src/runtime/index.ts'
import * as secrets from '../../src/secrets/index.ts'
import * as service from '../../src/service/index.ts'
import * as spiffe from '../../src/spiffe/index.ts'
import * as svid from '../../src/svid/index.ts'
import * as validation from '../../src/validation/index.ts'
import * as x509 from '../../src/x509/index.ts'

type Untyped = (...args: unknown[]) => unknown
const layers = {
  ...{ files, googleCas, grpc, sds, workloadApi, http, pkcs11, policyFile, postgres, prometheus },
  ...{ sqlite, tls, vault, workers, service },
  audit,
  auth,
  ca,
  errors,
  federation,
  issuance,
  keys,
  policy,
  runtime,
  secrets,
  spiffe,
  svid,
  validation,
  x509,
} as unknown as Record<string, Record<string, unknown>>

/** Constructors that are private in the types, or whose input only this package makes. */
const internal = new Set([
  'Certificate',
  'CertificateRequest',
  'Crl',
  'JwtAuthority',
  'JwtSvid',
  'OcspCertificateId',
  'OcspRequest',
  'OcspResponse',
  'PathError',
  'PathValidator',
  'Pkcs11KeyManager',
  'PublicKey',
  'SpiffeId',
  'TrustDomain',
  'VerifiedPath',
  'DistinguishedName',
])

/** Members of a class itself, and those that are marked as internal. */
const notPublic = new Set(['prototype', 'constructor', 'over', 'toAccuse'])

/** Octets whose buffer went to another thread. */
function transferred(): Uint8Array {
  const octets = new Uint8Array(8)
  structuredClone(octets.buffer, { transfer: [octets.buffer] })
  return octets
}

const values: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  true: true,
  NaN: Number.NaN,
  '1n': 1n,
  "''": '',
  symbol: Symbol('s'),
  '{}': {},
  'an object without prototype': Object.create(null) as unknown,
  '[]': [],
  '[null]': [null],
  'a sparse array': Array(2),
  'an invalid date': new Date(Number.NaN),
  'a Map': new Map([['id', 1]]),
  'a promise': Promise.resolve(),
  'a function': () => undefined,
  'no octets': new Uint8Array(0),
  'transferred octets': transferred(),
}

const isClass = (value: Untyped): boolean => Function.prototype.toString.call(value).startsWith('class')

function* functionsOf(name: string, value: unknown): Generator<readonly [string, Untyped]> {
  if (typeof value === 'function') {
    const type = value as Untyped
    if (!isClass(type)) return yield [name, type]
    if (!internal.has(name)) yield [`new ${name}`, (...args) => Reflect.construct(type, args) as unknown]
  }
  const statics = Object(value) as Record<string, unknown>
  for (const member of Object.getOwnPropertyNames(statics)) {
    const method = statics[member]
    if (typeof method === 'function' && !notPublic.has(member))
      yield [`${name}.${member}`, (...args) => (method as Untyped).apply(value, args)]
  }
}

const found = Object.entries(layers).flatMap(([layer, exported]) =>
  Object.entries(exported).flatMap(([name, value]) =>
    [...functionsOf(name, value)].map(([text, call]) => [`${layer}: ${text}`, call] as const),
  ),
)

describe('a value of a wrong type', () => {
  it.each(found)('given to %s is refused by a PkiError, or taken', async (_name, call) => {
    const wrong: string[] = []
    const note = (what: string) => (error: unknown) => {
      if (!(error instanceof errors.PkiError)) wrong.push(`${what}: ${String(error)}`)
    }
    for (const [what, value] of Object.entries(values))
      for (const [shown, args] of Object.entries({
        only: [value],
        twice: [value, value],
        'after {}': [{}, value],
      }))
        try {
          const result = call(...args)
          if (result instanceof Promise) void result.catch(note(`${what}, ${shown}`))
        } catch (error) {
          note(`${what}, ${shown}`)(error)
        }
    await new Promise((resolve) => setImmediate(resolve))
    expect(wrong).toEqual([])
  })
})
