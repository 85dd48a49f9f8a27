// The contracts of sources of trust bundles and revocation checkers.

import { TrustDomain } from '../../spiffe/index.ts'
import { TrustBundle } from '../../svid/index.ts'
import type { BundleSource } from '../../svid/index.ts'
import { verifyPath } from '../../validation/index.ts'
import type { RevocationChecker, Verdict } from '../../validation/index.ts'
import type { CertificateInput } from '../../x509/index.ts'
import { holds, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface BundleSourceContractOptions {
  /** Creates the source. */
  readonly open: () => BundleSource | Promise<BundleSource>
  /** The only trust domain whose bundle the source has. */
  readonly trustDomain: TrustDomain | string
  /** Causes one change of its bundle; only with `onChange`. Default: changes are not tested. */
  readonly change?: ((source: BundleSource) => void | Promise<void>) | undefined
}

/** The cases of `BundleSource`. */
export function bundleSourceContract(options: BundleSourceContractOptions): readonly ContractCase[] {
  const { open } = options
  const trustDomain = TrustDomain.from(options.trustDomain)
  return [
    {
      name: 'returns the bundle of the trust domain synchronously',
      run: async () => {
        const bundle: unknown = (await open()).bundleFor(trustDomain)
        if (!(bundle instanceof TrustBundle)) throw new Error('bundleFor did not return a TrustBundle')
        same(bundle.trustDomain.name, trustDomain.name, 'the trust domain of the bundle')
      },
    },
    {
      name: 'has no bundle of another trust domain',
      run: async () => {
        const source = await open()
        for (const name of [
          `sub.${trustDomain.name}`,
          `${trustDomain.name}.example`,
          trustDomain.name.slice(1),
        ])
          if (name !== '')
            holds(source.bundleFor(TrustDomain.parse(name)) === undefined, `there is a bundle of ${name}`)
      },
    },
    ...(options.change === undefined ? [] : changeCases(open, trustDomain, options.change)),
  ]
}

function changeCases(
  open: BundleSourceContractOptions['open'],
  trustDomain: TrustDomain,
  change: (source: BundleSource) => void | Promise<void>,
): readonly ContractCase[] {
  /** The source, and the calls of two listeners, of which the first was stopped twice if `stopped`. */
  const told = async (stopped: boolean): Promise<readonly number[]> => {
    const source = await open()
    if (source.onChange === undefined) throw new Error('the source has no onChange')
    const calls = [0, 0]
    const before = source.bundleFor(trustDomain)
    const stop = source.onChange(() => void (calls[0] = 1))
    let heard = (): void => undefined
    const listening = new Promise<void>((resolve) => (heard = resolve))
    source.onChange(() => {
      calls[1] = source.bundleFor(trustDomain) === before ? -1 : 1
      heard()
    })
    same(calls, [0, 0], 'calls before the change')
    if (stopped) for (const end of [stop, stop]) end()
    await Promise.all([listening, change(source)])
    return calls
  }
  return [
    {
      name: 'calls every listener after a change, when it has the new bundle already',
      run: async () => same(await told(false), [1, 1], 'the listeners that were called'),
    },
    {
      name: 'stops one listener alone, and stops it twice without effect',
      run: async () => same(await told(true), [0, 1], 'the listeners that were called'),
    },
  ]
}

/** A chain and its anchors. @inline */
interface CheckedPath {
  readonly leaf: CertificateInput
  readonly intermediates?: readonly CertificateInput[] | undefined
  readonly anchors: readonly CertificateInput[]
  /** The time of the verification. Default: now. */
  readonly time?: Date | undefined
}

/** The tested implementation. @inline */
export interface RevocationCheckerContractOptions {
  /** Creates the checker. */
  readonly open: () => RevocationChecker | Promise<RevocationChecker>
  /** A path whose certificates are not revoked. */
  readonly good: CheckedPath
  /** A path with a revoked certificate. */
  readonly revoked: CheckedPath
}

/** The cases of `RevocationChecker`. */
export function revocationCheckerContract(
  options: RevocationCheckerContractOptions,
): readonly ContractCase[] {
  const verify = async ({ leaf, ...path }: CheckedPath): Promise<Verdict> =>
    verifyPath(leaf, { ...path, revocation: watched(await options.open()) })
  return [
    {
      name: 'accepts certificates that are not revoked',
      run: async () => {
        const verdict = await verify(options.good)
        if (!verdict.ok) throw new Error(`the path was refused: ${verdict.rejected[0]?.message ?? ''}`)
      },
    },
    {
      name: 'refuses a revoked certificate with ERR_REVOKED',
      run: async () => {
        const verdict = await verify(options.revoked)
        if (verdict.ok) throw new Error('the path with the revoked certificate was accepted')
        same(verdict.rejected[0]?.code, 'ERR_REVOKED', 'the code of the refusal')
        holds(verdict.rejected[0]?.message !== '', 'the refusal has no message')
      },
    },
  ]
}

/** The checker; it must answer synchronously, and `judge` must agree with `check`. */
function watched(checker: RevocationChecker): RevocationChecker {
  return {
    check(query) {
      const answer: unknown = checker.check(query)
      holds(!(answer instanceof Promise), 'check returned a promise; it must return synchronously')
      const rejection = answer as ReturnType<RevocationChecker['check']>
      const judged = checker.judge?.(query)
      if (judged !== undefined) same(judged.rejection?.code, rejection?.code, 'the code of judge')
      return rejection
    },
  }
}
