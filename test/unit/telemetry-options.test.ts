// Whoever takes a logger or metrics checks their shape when they are given, not at the first event.

import { afterAll, describe, expect, it } from 'vitest'
import {
  certificateServiceHandlers,
  createCertificateClient,
  createCertificateServer,
} from '../../src/adapters/grpc/index.ts'
import { httpAuthorization } from '../../src/adapters/http/index.ts'
import { Pkcs11KeyManager } from '../../src/adapters/pkcs11/index.ts'
import { CompositeAuthenticator } from '../../src/auth/index.ts'
import { createMemoryStorage, createRotatingAuthority } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { FailoverKeyManager, MemoryKeyManager } from '../../src/keys/index.ts'
import { createIdentityProvider } from '../../src/policy/index.ts'
import { createCertificateChecker, createX509Source, createX509Sources } from '../../src/secrets/index.ts'
import { createAgent } from '../../src/service/index.ts'
import { code } from '../support/codes.ts'
import { callerOf, newRequest, testPki, tlsCredential } from '../support/pki.ts'

const pki = await testPki()
const { request: csr } = await newRequest()
const authenticator = { name: 'x', authenticate: async () => callerOf() }
const tls = { ...(await tlsCredential(pki)), clientRoots: pki.root.toPem() }
const { authority, issuance } = pki

const ca = { issue: () => Promise.reject(new Error('the CA is away')) }
const id = 'spiffe://example.org/api'
const source = createX509Source({ ca, id })
afterAll(() => source[Symbol.asyncDispose]())
const authorizer = { decide: () => ({ allowed: false as const, reason: 'no' }) } as never

type Telemetry = Readonly<Record<string, unknown>>

const takers: Readonly<Record<string, (given: Telemetry) => unknown>> = {
  createIssuanceService: (given) => createIssuanceService({ authority, ...given }),
  certificateServiceHandlers: (given) => certificateServiceHandlers({ issuance, authenticator, ...given }),
  createCertificateServer: (given) => createCertificateServer({ issuance, authenticator, tls, ...given }),
  CompositeAuthenticator: (given) =>
    new CompositeAuthenticator({ authenticators: [authenticator], ...given }),
  createX509Source: (given) => createX509Source({ ca, id, ...given }),
  createX509Sources: (given) => createX509Sources({ caFor: () => ca, ...given }),
  createCertificateChecker: (given) => createCertificateChecker({ sources: { default: source }, ...given }),
  createAgent: (given) => createAgent({ ca, id, ...given }),
  createRotatingAuthority: (given) =>
    createRotatingAuthority({
      ...{ trustDomain: 'example.org', storage: createMemoryStorage(), keys: new MemoryKeyManager() },
      ...given,
    }),
  FailoverKeyManager: (given) => new FailoverKeyManager({ managers: [new MemoryKeyManager()], ...given }),
  'Pkcs11KeyManager.open': (given) =>
    Pkcs11KeyManager.open({ module: '/nowhere.so', token: { label: 'a' }, pin: () => '1234', ...given }),
  createIdentityProvider: (given) => createIdentityProvider({ authenticator, authorizer, ...given }),
  httpAuthorization: (given) => httpAuthorization({ authorizer, authenticator, ...given }),
}

const none = (): void => undefined
const logger = { debug: none, info: none, warn: none, error: none }
const metrics = { count: none, gauge: none, observe: none }

describe.each(Object.entries(takers))('%s', (_name, take) => {
  it.each([
    { logger: {} },
    { logger: { ...logger, error: undefined } },
    { logger: console.log },
    { logger: 'console' },
    { metrics: {} },
    { metrics: { ...metrics, observe: 1 } },
    { metrics: [] },
  ])('refuses %j', async (given) => {
    await expect(async () => take(given)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

it('createCertificateClient refuses a logger without methods', async () => {
  const made = createCertificateClient({
    address: 'localhost:1',
    tls: () => ({ roots: pki.root.toPem() }),
    logger: {} as never,
  })
  await expect(made).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
})

it('nothing is lost where both throw, or reject', async () => {
  const fail = (): never => {
    throw new Error('full')
  }
  // A sink of JavaScript may be asynchronous, whatever the type says.
  const reject = (() => Promise.reject(new Error('full'))) as () => never
  for (const failing of [fail, reject]) {
    const service = createIssuanceService({
      authority,
      logger: { debug: failing, info: failing, warn: failing, error: failing },
      metrics: { count: failing, gauge: failing, observe: failing },
    })
    const caller = callerOf()
    const { certificate } = await service.issue({ csr }, caller)
    await service.revoke(certificate.serialNumber, 'superseded', caller)
    expect(await service.status(certificate.serialNumber)).toMatchObject({ state: 'revoked' })
    await expect(service.issue({ csr: 'x' }, caller)).rejects.toThrow(code('ERR_PEM'))
  }
})
