// The line of the log for each event.

import type { Caller } from '../../auth/index.ts'
import { isPkiError } from '../../errors/index.ts'
import type { Logger } from '../../runtime/index.ts'
import type { EventOf, IssuanceAction, IssuanceEvent } from './issuance-event.ts'

/** Logs one line for each event, except for a prune that removed nothing. */
export function logEvent(logger: Logger, event: IssuanceEvent): void {
  const write = lines[event.kind] as (logger: Logger, event: IssuanceEvent) => void
  write(logger, event)
}

const lines: { readonly [Kind in IssuanceEvent['kind']]: (logger: Logger, event: EventOf<Kind>) => void } = {
  issued(logger, { id, identity, notAfter, rule, trimmed, caller, renews }) {
    const cut = trimmed.length === 0 ? undefined : trimmed
    const fields = {
      serialNumber: id.serialNumber,
      identity: identity.toString(),
      notAfter,
      rule,
      trimmed: cut,
    }
    const by = { renews: renews?.serialNumber, credential: caller.credential }
    logger.info({ ...fields, ...by }, 'certificate issued')
  },
  revoked(logger, event) {
    logger.info({ ...changeFields(event), reason: event.reason }, 'certificate revoked')
  },
  released(logger, event) {
    logger.info({ ...changeFields(event), reason: undefined }, 'certificate released from hold')
  },
  refused(logger, { action, error, caller, serialNumber }) {
    const { identities, credential } = Object(caller) as Partial<Caller>
    const names = Array.isArray(identities) ? identities.slice(0, 8).map(nameOf) : []
    const fields = { serialNumber, code: codeOf(error), reason: textOf(error) }
    logger.warn({ ...fields, identities: names, credential }, refusedMessages[action])
  },
  'key reused'(logger, { id, identity, other }) {
    const fields = { serialNumber: id.serialNumber, identity: identity.toString() }
    const of = { otherIdentity: other.identity.toString(), otherSerialNumber: other.serialNumber }
    logger.warn(
      { ...fields, ...of },
      'the key of the issued certificate is also in a certificate of another identity',
    )
  },
  blocked(logger, { subject, reason, caller }) {
    logger.info({ subject, reason, by: caller.identities.map(String) }, 'added to the block-list')
  },
  unblocked(logger, { subject, caller }) {
    logger.info({ subject, by: caller.identities.map(String) }, 'removed from the block-list')
  },
  unrecorded(logger, { id, error }) {
    logger.error(
      { serialNumber: id.serialNumber, ...failureFields(error) },
      'the outcome could not be recorded',
    )
  },
  'not published'(logger, { id, error }) {
    logger.error(
      { serialNumber: id.serialNumber, ...failureFields(error) },
      'revoked by its renewal, but no CRL with it could be published',
    )
  },
  'refusal unrecorded'(logger, { action, error }) {
    logger.error({ action, ...failureFields(error) }, 'the refusal could not be recorded in the audit log')
  },
  pruned(logger, { result: { lapsed, removed } }) {
    if (lapsed + removed > 0) logger.info({ lapsed, removed }, 'expired records settled and removed')
  },
  'no receipt'(logger, { error }) {
    logger.warn(
      { code: codeOf(error) },
      'the certificate is issued without a receipt: no checkpoint of the audit log was signed in time',
    )
  },
  'not pruned'(logger, { error }) {
    logger.error(failureFields(error), 'expired records not removed')
  },
  'prune deferred'(logger, { jumpMs }) {
    const jumpSeconds = Math.round(jumpMs / 1000)
    logger.error({ jumpSeconds }, 'the clock jumped ahead: expired records are not removed in this run')
  },
}

const refusedMessages: Readonly<Record<IssuanceAction, string>> = {
  issue: 'certificate not issued',
  renew: 'certificate not renewed',
  revoke: 'certificate not revoked',
  release: 'certificate not released from hold',
  block: 'not added to the block-list',
  unblock: 'not removed from the block-list',
}

function changeFields({
  id,
  identity,
  caller,
}: EventOf<'revoked'> | EventOf<'released'>): Readonly<Record<string, unknown>> {
  const by = caller.identities.map(String)
  return { serialNumber: id.serialNumber, identity: identity.toString(), by }
}

function failureFields(error: unknown): Readonly<Record<string, unknown>> {
  return { code: codeOf(error), reason: textOf(error) }
}

/** The code of an error, for logs and counters. */
export function codeOf(error: unknown): string {
  return isPkiError(error) ? error.code : 'ERR_INTERNAL'
}

/** The message, cut, because the text of a signer or a store can have any length. */
function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : 'unknown').slice(0, 1024)
}

function nameOf(identity: unknown): string {
  try {
    return String(identity).slice(0, 2048)
  } catch {
    return 'unknown'
  }
}
