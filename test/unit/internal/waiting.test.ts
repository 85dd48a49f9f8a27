// Waiting that is aborted leaves nothing behind.

import { expect, test } from 'vitest'
import { abortable } from '../../../src/internal/turns/waiting.ts'
import { code } from '../../support/codes.ts'

test('work that fails after its wait was aborted is nobody’s unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  try {
    const failing = async (): Promise<never> => {
      await Promise.resolve()
      throw new Error('too late')
    }
    await expect(abortable(failing(), AbortSignal.abort())).rejects.toThrow(code('ERR_ABORTED'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
  }
})
