// The contract of attestors: the source of each known caller, and nothing for any other caller.

import type { AuthenticationRequest } from '../../../auth/index.ts'
import type { SecretSource, WorkloadSource } from '../../../secrets/index.ts'
import { holds, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'

/** `Attestor` of the gRPC adapter, which this layer cannot import. @inline */
interface Attestor {
  readonly name: string
  attest(call: AuthenticationRequest): Promise<SecretSource | WorkloadSource | undefined>
}

/** The tested implementation. @inline */
export interface AttestorContractOptions {
  /** Creates the attestor. */
  readonly open: () => Attestor | Promise<Attestor>
  /** The parts of the calls of known callers, such as `header` or `peer`, at least one. */
  readonly known: readonly Partial<AuthenticationRequest>[]
  /** The parts of the calls of callers without an identity here, at least one. */
  readonly unknown: readonly Partial<AuthenticationRequest>[]
}

/** The cases of `Attestor`. */
export function attestorContract({ open, known, unknown }: AttestorContractOptions): readonly ContractCase[] {
  return [
    {
      name: 'has a name',
      run: async () => {
        const { name }: { readonly name: unknown } = await open()
        holds(typeof name === 'string' && name.trim() !== '', 'the name is empty')
      },
    },
    {
      name: 'resolves to the source of each known caller, at each call',
      run: async () => {
        const attestor = await open()
        holds(known.length > 0, 'at least one known caller is needed')
        for (const parts of [...known, ...known]) {
          const answer: unknown = attestor.attest(callOf(parts))
          holds(answer instanceof Promise, 'attest did not return a promise')
          holds(isSource(await answer), 'the answer is neither a SecretSource nor a WorkloadSource')
        }
      },
    },
    {
      // An error would be answered with UNAVAILABLE, so that the caller tries for ever.
      name: 'resolves to undefined for a caller without an identity here',
      run: async () => {
        const attestor = await open()
        holds(unknown.length > 0, 'at least one unknown caller is needed')
        for (const parts of unknown)
          holds((await attestor.attest(callOf(parts))) === undefined, 'an unknown caller is served')
      },
    },
    {
      name: 'attests each of many concurrent calls separately',
      run: async () => {
        const attestor = await open()
        const calls = [...unknown, ...known, ...unknown, ...known]
        const answers = await Promise.all(calls.map((parts) => attestor.attest(callOf(parts))))
        same(
          answers.map((answer) => answer !== undefined),
          calls.map((parts) => known.includes(parts)),
          'the calls that are served',
        )
      },
    },
  ]
}

function isSource(value: unknown): boolean {
  const { get, watch, onChange } = Object(value) as Partial<SecretSource & WorkloadSource>
  return (typeof get === 'function' && typeof watch === 'function') || typeof onChange === 'function'
}

/** A call on a Unix socket: without TLS, and without an address. */
function callOf(parts: Partial<AuthenticationRequest>): AuthenticationRequest {
  return Object.freeze({
    transport: 'grpc',
    header: () => [],
    peer: undefined,
    tls: undefined,
    signal: new AbortController().signal,
    ...parts,
  })
}
