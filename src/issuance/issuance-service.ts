// The service for one CA, from checked options.

import { PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import { requireMethods } from '../internal/option-types.ts'
import { nameOf, shownValue } from '../internal/values/name-of.ts'
import { callerIdentityPolicy } from '../policy/caller-identity-policy.ts'
import type { IssuanceService } from './issuance-contract.ts'
import type { IssuanceServiceOptions } from './issuance-service-options.ts'
import { LocalIssuanceService } from './local-issuance-service.ts'

/**
 * Creates the service for one CA. Dispose of it to stop the timer that removes expired records; the storage
 * stays open.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const service = createIssuanceService({ authority })
 * const { certificate, chain: issuers } = await service.issue({ csr, ttlSeconds: 3600 }, caller)
 * ```
 */
export function createIssuanceService(options: IssuanceServiceOptions): IssuanceService & AsyncDisposable {
  const read = readOptions<IssuanceServiceOptions>('createIssuanceService', options, {
    authority: 'required',
    policy: 'guard',
    storage: 'optional',
    isAdministrator: 'optional',
    audit: 'optional',
    receipts: 'guard',
    keyReuse: 'guard',
    usage: 'optional',
    publishRevocations: 'optional',
    pruneIntervalSeconds: 'optional',
    lookBackSeconds: 'optional',
    clock: 'optional',
    logger: 'optional',
    metrics: 'optional',
  })
  const { authority, storage, isAdministrator, keyReuse = 'allow' } = read
  requireMethods('createIssuanceService', 'authority', authority, 'prepare')
  const policy = read.policy ?? callerIdentityPolicy({ trustDomain: authority.trustDomain })
  requireMethods('createIssuanceService', 'policy', policy, 'decide')
  if (read.receipts !== undefined) {
    requireMethods('createIssuanceService', 'receipts', read.receipts, 'receiptOf')
    if (read.audit !== true)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'createIssuanceService: receipts need `audit: true`')
  }
  if (read.usage !== undefined) requireMethods('createIssuanceService', 'usage', read.usage, 'record')
  if (isAdministrator !== undefined && typeof isAdministrator !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createIssuanceService: isAdministrator must be a function, found ${nameOf(isAdministrator)}`,
    )
  if (!['allow', 'report', 'refuse'].includes(keyReuse))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createIssuanceService: keyReuse is ${shownValue(keyReuse)}; expected allow, report or refuse`,
    )
  if (storage !== undefined && storage !== authority.storage)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createIssuanceService: found two storages; expected that of the authority, because its CRLs list ' +
        'what is revoked there',
    )
  return new LocalIssuanceService({ ...read, policy })
}
