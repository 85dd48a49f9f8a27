// The limit of requests in progress.

import { describe, expect, it } from 'vitest'
import { InFlightLimit } from '../../../../../src/adapters/grpc/server/index.ts'
import { code } from '../../../../support/codes.ts'

describe('InFlightLimit', () => {
  it('refuses at the limit, and takes one more for each that left', () => {
    const limit = new InFlightLimit(2)
    limit.enter()
    limit.enter()
    expect(() => limit.enter()).toThrow(code('ERR_OVERLOADED'))
    expect(limit.count).toBe(2)
    limit.leave()
    limit.enter()
    expect(() => limit.enter()).toThrow(code('ERR_OVERLOADED'))
  })

  it('of 0 refuses everything', () => {
    expect(() => new InFlightLimit(0).enter()).toThrow(code('ERR_OVERLOADED'))
  })
})
