// The contracts of CA clients, sources of secrets and stores of tiles.

import { randomBytes } from 'node:crypto'
import type { TileStore } from '../../audit/index.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import type { CaClient, SecretSource } from '../../secrets/index.ts'
import { verifyPath } from '../../validation/index.ts'
import { CertificateRequest, buildCertificateRequest } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { eventually, holds, refused, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface CaClientContractOptions {
  /** Creates the client. */
  readonly open: () => CaClient | Promise<CaClient>
  /** Required content of a request, if the CA has requirements. Default: empty. */
  readonly request?: Parameters<typeof buildCertificateRequest>[0] | undefined
  /**
   * Taints an authority of the CA of this client, and returns its certificate. Without it the suite only
   * subscribes with `onTaint`.
   */
  readonly taint?: ((client: CaClient) => Certificate | Promise<Certificate>) | undefined
}

/** The cases of `CaClient`. */
export function caClientContract({
  open,
  request = {},
  taint,
}: CaClientContractOptions): readonly ContractCase[] {
  const newRequest = async (): Promise<CertificateRequest> =>
    buildCertificateRequest(request, await SoftwareSigner.generate('P-256'))
  return [
    {
      name: 'obtains a certificate for the key of the request, with a path to the roots',
      run: async () => {
        const csr = await newRequest()
        const { certificate, chain, roots } = await (await open()).issue({ csr, ttlSeconds: 3600 })
        holds(certificate.publicKey.equals(csr.publicKey), 'the certificate is for another key')
        const verdict = verifyPath(certificate, { intermediates: chain, anchors: roots })
        if (!verdict.ok) throw new Error(`the result does not verify: ${verdict.rejected[0]?.message ?? ''}`)
        const seconds = (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000
        holds(seconds <= 3600 + 3600, `3600 s were requested, ${seconds} s were issued`)
      },
    },
    {
      name: 'obtains a separate certificate for each request',
      run: async () => {
        const client = await open()
        const [first, second] = await Promise.all([
          client.issue({ csr: await newRequest() }),
          client.issue({ csr: await newRequest() }),
        ])
        holds(
          first.certificate.serialNumber !== second.certificate.serialNumber,
          'two certificates have the same serial number',
        )
      },
    },
    {
      name: 'rejects a request with an invalid proof of possession',
      run: async () => {
        const der = (await newRequest()).der.slice()
        der.set([(der.at(-1) ?? 0) ^ 1], der.length - 1)
        const client = await open()
        const answer = client.issue({ csr: CertificateRequest.parse(der) })
        await answer.then(
          () => Promise.reject(new Error('a certificate was issued')),
          (error: unknown) => holds(error instanceof Error, 'the rejection is not an Error'),
        )
      },
    },
    {
      name: 'onTaint: calls every listener with the tainted authority, until it is stopped',
      run: async () => onTaintKept(await open(), taint),
    },
  ]
}

/** A client that does not learn of taints has no `onTaint`. */
async function onTaintKept(client: CaClient, taint: CaClientContractOptions['taint']): Promise<void> {
  if (client.onTaint === undefined) {
    holds(taint === undefined, 'the client has no onTaint, but the suite has the option taint')
    return
  }
  const told: readonly Certificate[][] = [[], [], []]
  const stops = told.map((list) => client.onTaint?.((authority) => void list.push(authority)))
  for (const stop of stops) holds(typeof stop === 'function', 'onTaint returned no function')
  stops[1]?.()
  stops[1]?.()
  if (taint !== undefined) {
    same(told.flat().length, 0, 'calls before an authority is tainted')
    const tainted = await taint(client)
    const isTold = (at: number): boolean => told[at]?.some((one) => one.equals(tainted)) === true
    await eventually(() => isTold(0) && isTold(2), 'a listener was not called with the tainted authority')
    same(told[1]?.length, 0, 'calls of a stopped listener')
  }
  for (const stop of stops) stop?.()
}

/** The tested implementation. @inline */
export interface SecretSourceContractOptions {
  /** Creates a source that has a secret with this name. */
  readonly open: () => SecretSource | Promise<SecretSource>
  /** The name of the secret. */
  readonly name: string
  /** Creates another version of the secret in the source. */
  readonly change: (source: SecretSource) => void | Promise<void>
}

/** The cases of `SecretSource`. */
export function secretSourceContract(options: SecretSourceContractOptions): readonly ContractCase[] {
  const { open, name, change } = options
  return [
    {
      name: 'returns the secret by its name',
      run: async () => {
        const secret = await (await open()).get(name)
        same(secret.name, name, 'the name of the secret')
        holds(/^(certificate|validation)$/.test(secret.type), `the type is ${secret.type}`)
      },
    },
    {
      name: 'refuses an already aborted call with ERR_ABORTED',
      run: async () => {
        const source = await open()
        await refused('ERR_ABORTED', () => source.get(name, AbortSignal.abort()))
      },
    },
    {
      name: 'watches: the secret, then the next version, to every watcher; the end when the signal aborts',
      run: async () => {
        const source = await open()
        const controller = new AbortController()
        const watchers = [0, 1].map(() => source.watch(name, controller.signal)[Symbol.asyncIterator]())
        const first = await Promise.all(watchers.map((watcher) => watcher.next()))
        await change(source)
        const second = await Promise.all(watchers.map((watcher) => watcher.next()))
        controller.abort()
        const ends = await Promise.all(watchers.map((watcher) => watcher.next()))
        for (const [at] of watchers.entries()) {
          holds(first[at]?.done === false && second[at]?.done === false, 'the watch ended before the abort')
          holds(first[at]?.value !== second[at]?.value, 'the second version is the first')
          holds(ends[at]?.done === true, 'the watch did not end with the signal')
        }
      },
    },
    {
      name: 'refuses a name that it does not have with ERR_SECRET_UNKNOWN, and watches it as undefined',
      run: async () => {
        const source = await open()
        await refused('ERR_SECRET_UNKNOWN', () => source.get(absentName))
        const controller = new AbortController()
        const watcher = source.watch(absentName, controller.signal)[Symbol.asyncIterator]()
        same(await watcher.next(), { done: false, value: undefined }, 'the first version of an absent secret')
        controller.abort()
        same((await watcher.next()).done, true, 'the end of the watch')
      },
    },
    {
      name: 'lists every name, if it lists names: each has its secret, and the list ends with the signal',
      run: async () => {
        const source = await open()
        const controller = new AbortController()
        const watcher = source.watchNames?.(controller.signal)[Symbol.asyncIterator]()
        if (watcher === undefined) return
        const names: unknown = (await watcher.next()).value
        if (!Array.isArray(names) || names.length === 0) throw new Error('the list of names is empty')
        same(new Set(names).size, names.length, 'the number of different names')
        for (const one of names as readonly string[]) same((await source.get(one)).name, one, 'the name')
        controller.abort()
        same((await watcher.next()).done, true, 'the end of the list')
      },
    },
  ]
}

const absentName = 'spiffe://contract.example/nobody'

/** The tested implementation. @inline */
export interface TileStoreContractOptions {
  /** Opens the store; opened again, it has its earlier data. */
  readonly open: () => TileStore | Promise<TileStore>
}

/** The cases of `TileStore`. */
export function tileStoreContract({ open }: TileStoreContractOptions): readonly ContractCase[] {
  return [
    {
      name: 'returns nothing for a path that was not written',
      run: async () => same(await (await open()).read('tile/0/900'), undefined, 'the octets'),
    },
    {
      name: 'stores octets, and replaces them as a whole',
      run: async () => {
        const store = await open()
        for (const length of [256, 32, 8192]) {
          const octets = new Uint8Array(randomBytes(length))
          await store.write('tile/0/x001/901.p/3', octets)
          same(await store.read('tile/0/x001/901.p/3'), octets, 'the written octets')
          same(await (await open()).read('tile/0/x001/901.p/3'), octets, 'the octets after opening again')
        }
      },
    },
  ]
}
