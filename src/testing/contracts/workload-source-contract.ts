// The contract of sources of a workload's state: whole states, and a call of every listener after each
// change.

import { createPublicKey } from 'node:crypto'
import type { WorkloadSource } from '../../secrets/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { JwtSvid } from '../../svid/index.ts'
import { holds, refused, same, tryToChange } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

type State = NonNullable<WorkloadSource['state']>

/** The tested implementation. @inline */
export interface WorkloadSourceContractOptions {
  /** Creates a source that has a state, with at least one identity. */
  readonly open: () => WorkloadSource | Promise<WorkloadSource>
  /** Causes one change of the state. */
  readonly change: (source: WorkloadSource) => void | Promise<void>
}

/** The cases of `WorkloadSource`. */
export function workloadSourceContract(options: WorkloadSourceContractOptions): readonly ContractCase[] {
  const { open, change } = options
  return [
    {
      name: 'has a whole state: the key of each identity, and one bundle for each trust domain',
      run: async () => checkState(stateOf(await open())),
    },
    {
      name: 'calls every listener with the new state after a change, and not before',
      run: async () => {
        const source = await open()
        const before = stateOf(source)
        const told = [0, 1].map(() => nextOf(source))
        same(
          told.map(({ count }) => count()),
          [0, 0],
          'calls before the change',
        )
        await change(source)
        for (const { next } of told) {
          const { given, current } = await next
          holds(given !== before, 'the listener was given the state before the change')
          holds(given === current, 'the state of the source is not yet the one that the listener was given')
          checkState(given)
        }
      },
    },
    {
      name: 'calls the listener for each of several changes, with the whole state each time',
      run: async () => {
        const source = await open()
        for (let count = 0; count < 3; count++) {
          const { next } = nextOf(source)
          await change(source)
          checkState((await next).given)
        }
      },
    },
    {
      name: 'stops one listener alone, and stops it twice without effect',
      run: async () => {
        const source = await open()
        let calls = 0
        const listener = (): void => void calls++
        const stop = source.onChange(listener)
        const { next } = nextOf(source)
        stop()
        stop()
        await change(source)
        await next
        same(calls, 0, 'calls of the stopped listener')
      },
    },
    {
      name: 'is not changed by changes to the state that it returned',
      run: async () => {
        const source = await open()
        const lists = (): readonly (readonly unknown[])[] => {
          const { identities, bundles, crls } = stateOf(source)
          return [identities, bundles, crls]
        }
        const lengths = lists().map(({ length }) => length)
        for (const list of lists()) tryToChange(() => void (list as unknown[]).splice(0))
        same(
          lists().map(({ length }) => length),
          lengths,
          'the lengths of identities, bundles and lists',
        )
      },
    },
    {
      name: 'issues JWT-SVIDs for its identities alone, the default one first, if it issues any',
      run: async () => checkTokens(await open()),
    },
  ]
}

/** The next call of a listener, with the state of the source at that moment. */
function nextOf(source: WorkloadSource): {
  readonly next: Promise<{ readonly given: State; readonly current: State | undefined }>
  readonly count: () => number
} {
  let calls = 0
  const next = new Promise<{ readonly given: State; readonly current: State | undefined }>((resolve) => {
    source.onChange((given) => {
      calls++
      resolve({ given, current: source.state })
    })
  })
  return { next, count: () => calls }
}

function stateOf({ state }: WorkloadSource): State {
  if (state === undefined) throw new Error('the source has no state')
  return state
}

function checkState({ identities, bundles, crls }: State): void {
  holds(Array.isArray(identities) && identities.length > 0, 'the state has no identity')
  holds(Array.isArray(crls), 'crls is not a list')
  const domains = bundles.map(({ trustDomain }) => trustDomain.name)
  same(new Set(domains).size, domains.length, 'the number of trust domains of the bundles')
  for (const { svid, privateKey } of identities) {
    const publicKey = createPublicKey(privateKey)
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    same(spki, Buffer.from(svid.leaf.publicKey.spki), `the public key of ${svid.id.toString()}`)
    holds(domains.includes(svid.id.trustDomainName), `no bundle of ${svid.id.trustDomainName}`)
  }
  const hints = identities.flatMap(({ hint }) => (hint === undefined || hint === '' ? [] : [hint]))
  same(new Set(hints).size, hints.length, 'the number of different hints')
  for (const hint of hints) holds(Buffer.byteLength(hint) <= 1024, 'a hint has more than 1,024 octets')
}

async function checkTokens(source: WorkloadSource): Promise<void> {
  if (source.fetchJwtSvids === undefined) return
  const audience = ['contract.example']
  const ids = stateOf(source).identities.map(({ svid }) => svid.id.toString())
  const idsOf = (tokens: readonly JwtSvid[]): readonly string[] => tokens.map(({ id }) => id.toString())
  const all = await source.fetchJwtSvids({ audience })
  same(idsOf(all), ids, 'the identities of all tokens')
  for (const token of all) same(token.audience, audience, 'the audience of a token')
  for (const id of ids)
    same(idsOf(await source.fetchJwtSvids({ audience, id: SpiffeId.parse(id) })), [id], 'one identity')
  const stranger = SpiffeId.parse('spiffe://contract.example/nobody')
  await refused('ERR_POLICY_DENIED', source.fetchJwtSvids({ audience, id: stranger }))
}
