// Every public function of an adapter, of the service and of the audit log that takes options refuses an
// unknown key, before it reads a file or opens a connection.

import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import * as files from '../../../src/adapters/files/index.ts'
import * as cas from '../../../src/adapters/google-cas/index.ts'
import * as grpc from '../../../src/adapters/grpc/index.ts'
import * as sds from '../../../src/adapters/grpc/sds/index.ts'
import * as workloadApi from '../../../src/adapters/grpc/workload-api/index.ts'
import * as http from '../../../src/adapters/http/index.ts'
import * as pkcs11 from '../../../src/adapters/pkcs11/index.ts'
import * as policyFile from '../../../src/adapters/policy-file/index.ts'
import * as postgres from '../../../src/adapters/postgres/index.ts'
import * as prometheus from '../../../src/adapters/prometheus/index.ts'
import * as sqlite from '../../../src/adapters/sqlite/index.ts'
import * as tls from '../../../src/adapters/tls/index.ts'
import * as vault from '../../../src/adapters/vault/index.ts'
import * as workers from '../../../src/adapters/workers/index.ts'
import * as audit from '../../../src/audit/index.ts'
import * as service from '../../../src/service/index.ts'
import { openMesh } from '../../support/mesh.ts'

const subpaths = {
  ...{
    files,
    cas,
    grpc,
    sds,
    workloadApi,
    http,
    pkcs11,
    policyFile,
    postgres,
    prometheus,
    sqlite,
    tls,
    vault,
  },
  ...{ workers, audit, service },
}

await using mesh = await openMesh()
await using identity = tls.createTlsIdentity({ source: mesh.sources[0]! })

/** The arguments before the options, where there are any. */
const before: Readonly<Record<string, readonly unknown[]>> = {
  'tls.guardServer': [{}, identity],
  'tls.createTlsServer': [identity],
  'tls.createHttpsServer': [identity],
  'tls.createHttp2Server': [identity],
  'tls.connectTls': [identity],
  'tls.httpsAgent': [identity],
  'tls.tlsClientOptions': [identity],
  'tls.fetchDispatcher': [identity],
  'grpc.grpcChannelCredentials': [identity],
  'grpc.listenGrpc': [{}, identity],
  'policyFile.openPolicyFile': ['policy.yaml'],
  'policyFile.openAuthorizationFile': ['policy.yaml'],
  'files.watchPluggedInMaterial': ['directory'],
}

/** Takes no options. */
const without: readonly string[] = [
  ...['tls.peerOf', 'tls.tlsServerOptions', 'tls.requireSpiffePeer', 'tls.spiffePeerHook'],
  ...['files.createTileDirectory', 'files.FileKeyManager', 'pkcs11.HsmError', 'pkcs11.Pkcs11Module'],
  ...['pkcs11.Pkcs11KeyManager', 'audit.encodeAuditRecord', 'audit.decodeAuditRecord', 'audit.formatNoteKey'],
  ...['audit.parseNoteKey', 'audit.verifyAuditReceipt'],
]

const functions = Object.entries(subpaths).flatMap(([subpath, face]) =>
  Object.entries(face).flatMap(([name, value]) =>
    typeof value === 'function' ? [[`${subpath}.${name}`, value as unknown] as const] : [],
  ),
)
const socket = new PassThrough()
const peer = 'spiffe://example.org/peer'
const opened: readonly (readonly [string, unknown])[] = [
  ['files.FileKeyManager.open', files.FileKeyManager.open.bind(files.FileKeyManager)],
  ['pkcs11.Pkcs11KeyManager.open', pkcs11.Pkcs11KeyManager.open.bind(pkcs11.Pkcs11KeyManager)],
  ['pkcs11.Pkcs11Module.load', (given: never) => pkcs11.Pkcs11Module.load('/nowhere.so', given)],
  ['tls.TlsIdentity#secureServer', identity.secureServer.bind(identity)],
  ['tls.TlsIdentity#secureClient', (given: object) => identity.secureClient(socket, { id: peer, ...given })],
  ['tls.ConnectionRegistry#close', identity.connections.close.bind(identity.connections)],
]

it.each([...functions, ...opened].filter(([name]) => !without.includes(name)))(
  '%s refuses a key that it does not have',
  async (name, taker) => {
    const given = [...(before[name] ?? []), { noSuchOption: 1 }]
    const isClass = /^class\b/.test(Function.prototype.toString.call(taker))
    const call = async (): Promise<unknown> =>
      isClass
        ? Reflect.construct(taker as new () => unknown, given)
        : await (taker as (...given: readonly unknown[]) => unknown)(...given)
    await expect(call()).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('noSuchOption'),
    })
  },
)

it('the table names functions that exist', () => {
  const names: readonly string[] = functions.map(([name]) => name)
  expect([...without, ...Object.keys(before)].filter((name) => !names.includes(name))).toEqual([])
})
