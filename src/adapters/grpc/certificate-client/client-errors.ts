// Maps gRPC statuses of a CA to errors of this package.

import type { ServiceError } from '@grpc/grpc-js'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import type { PkiErrorCode } from '../../../errors/index.ts'
import { systemReason } from '../../../internal/files/system-error.ts'
import { status } from '../status.ts'

/** The error of a failed request, by the table of statuses. */
export function clientError(error: unknown): PkiError {
  if (isPkiError(error)) return error
  if (!isServiceError(error))
    return new PkiError('ERR_CA_UNAVAILABLE', `the request to the CA failed${fileFault(error)}`, {
      cause: error,
    })
  // grpc-js creates this status itself if there is no connection.
  const answered: number = error.code
  const unreachable = answered === status.UNAVAILABLE
  const what = unreachable ? 'the CA cannot be reached or does not accept requests' : 'the CA responded'
  const text = `${what}: ${error.details}`
  return new PkiError(codeOf(error), text, { cause: error })
}

/** The file that `tls` or `token` could not read. The text of another error may contain a token. */
function fileFault(error: unknown): string {
  const { path, code } = Object(error) as NodeJS.ErrnoException
  return typeof path === 'string' && typeof code === 'string' ? `: ${path}: ${systemReason(error)}` : ''
}

function codeOf({ code, details }: ServiceError): PkiErrorCode {
  const found: number = code
  if (found === status.CANCELLED) return 'ERR_ABORTED'
  if (found === status.UNAUTHENTICATED) return 'ERR_CA_UNAUTHENTICATED'
  if (found === status.INVALID_ARGUMENT || found === status.PERMISSION_DENIED) return 'ERR_CA_REFUSED'
  // The text of grpc-js for a message above its limit; the status code does not identify the resource.
  return found === status.RESOURCE_EXHAUSTED && /message larger than max/i.test(details)
    ? 'ERR_MESSAGE_TOO_LARGE'
    : 'ERR_CA_UNAVAILABLE'
}

/** Whether it is an error that grpc-js created from a status. */
export function isServiceError(error: unknown): error is ServiceError {
  return (
    error instanceof Error &&
    typeof (error as Partial<ServiceError>).code === 'number' &&
    typeof (error as Partial<ServiceError>).details === 'string'
  )
}
