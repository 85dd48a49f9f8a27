// The end of a manager: what runs is waited for, what hangs is not, and the library is finalised by the last
// one, never under a call.

import { describe, expect, it } from 'vitest'
import { code } from '../../../support/codes.ts'
import { isPkiError } from '../../../../src/errors/index.ts'
import type { FakeClock } from '../../../../src/testing/index.ts'
import { data, fakeSetup, signsRight, turns } from '../../../support/fake-token.ts'

/** Closes it while ten seconds go by: as long as it may wait for what hangs. */
async function closeInTime(keys: AsyncDisposable, clock: FakeClock): Promise<void> {
  const closing = keys[Symbol.asyncDispose]()
  for (let i = 0; i < 20; i++) {
    clock.advance(500)
    await turns(2)
  }
  await closing
}

describe('the end', () => {
  it('of one of two managers leaves the other at work; the last one finalises', async () => {
    const { library, load, open } = fakeSetup()
    const module = await load()
    const [first, second] = [await open({ module }), await open({ module })]
    const signer = await second.generateKey('ca', 'P-256')
    await first[Symbol.asyncDispose]()
    await signsRight(signer)
    expect(library.openSessions).toBe(second.sessions.open)
    await module.close()
    await signsRight(signer)
    await second[Symbol.asyncDispose]()
    expect([library.initialised, library.openSessions, library.misuse]).toEqual([false, 0, []])
    await expect(signer.sign(data)).rejects.toThrow(code('ERR_CLOSED'))
    await expect(open({ module })).rejects.toThrow(code('ERR_CLOSED'))
  })

  it('waits for what runs, and lets nothing begin', async () => {
    const { library, open } = fakeSetup()
    const keys = await open()
    const signer = await keys.generateKey('ca', 'P-256')
    const signing = Promise.allSettled(Array.from({ length: 50 }, () => signsRight(signer)))
    const rotating = keys.rotateKey('ca').then(
      () => 'rotated',
      (error: unknown) => (error as { code: string }).code,
    )
    await turns(1)
    await keys[Symbol.asyncDispose]()
    const refused = (await signing).flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    )
    expect(refused.filter((reason) => !isPkiError(reason, 'ERR_CLOSED'))).toEqual([])
    // There are eight sessions: what ran on them ended, and what waited for one did not begin.
    expect(refused.length).toBeGreaterThan(50 / 2)
    expect(refused.length).toBeLessThan(50)
    expect(['rotated', 'ERR_CLOSED']).toContain(await rotating)
    expect([library.initialised, library.openSessions, library.misuse, keys.health]).toEqual([
      false,
      0,
      [],
      'closed',
    ])
  })

  it('does not finalise under a call that hangs', async () => {
    const { library, clock, open } = fakeSetup()
    const keys = await open({ timeoutMs: 1000 })
    const signer = await keys.generateKey('ca', 'P-256')
    let answer = (): void => undefined
    library.onSign = (signature) => new Promise((resolve) => (answer = () => resolve(signature)))
    const signing = expect(signer.sign(data)).rejects.toThrow(code('ERR_HSM_TIMEOUT'))
    await turns(3)
    await closeInTime(keys, clock)
    await signing
    expect([library.initialised, library.misuse, library.calls.includes('C_Finalize')]).toEqual([
      true,
      [],
      false,
    ])
    answer()
    await turns(3)
    expect(library.misuse).toEqual([])
  })

  it('comes though a key is never made, and not under the call that makes it', async () => {
    const { library, clock, open } = fakeSetup()
    const keys = await open({ timeoutMs: 1000 })
    let answer = (): void => undefined
    library.onGenerate = () => new Promise((resolve) => (answer = resolve))
    const making = keys.generateKey('ca', 'P-256').then(
      () => 'made',
      (error: unknown) => (error as { code: string }).code,
    )
    await turns(3)
    await closeInTime(keys, clock)
    expect([library.initialised, library.misuse, library.calls.includes('C_Finalize')]).toEqual([
      true,
      [],
      false,
    ])
    answer()
    await turns(3)
    // Made it was, in a library that nobody finalised.
    expect([await making, library.misuse]).toEqual(['made', []])
  })

  it('is refused to none who come after it', async () => {
    const { library, open } = fakeSetup()
    for (let i = 0; i < 3; i++) {
      await using keys = await open()
      await (i === 0 ? keys.generateKey('ca', 'P-256') : signsRight((await keys.getSigner('ca'))!))
    }
    expect([library.initialised, library.openSessions]).toEqual([false, 0])
  })
})
