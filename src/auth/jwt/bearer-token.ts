// A bearer token in a header (RFC 6750 section 2.1): exactly one value with exactly one token.

import type { AuthenticationRequest } from '../authenticator.ts'
import { authenticationError } from '../require-caller.ts'

/**
 * The single value of a header that contains a credential; undefined if the header was not sent. @throws
 * ERR_CREDENTIAL_INVALID
 */
export function singleHeader(
  request: AuthenticationRequest,
  name: string,
  maxLength: number,
): string | undefined {
  const values = request.header(name)
  const [value] = values
  if (value === undefined) return undefined
  // Proxies and services differ in which of several values they read (threats 7).
  if (values.length > 1) throw authenticationError(`found ${values.length} values of ${name}, expected one`)
  if (value.length > maxLength)
    throw authenticationError(`${name} has ${value.length} characters; the maximum is ${maxLength}`)
  return value
}

/**
 * The text after `Bearer `; undefined if the header was not sent or has another scheme. Its characters are
 * checked by `readToken`.
 *
 * @throws ERR_CREDENTIAL_INVALID several values, or no space after the scheme
 */
export function bearerToken(request: AuthenticationRequest, header = 'authorization'): string | undefined {
  const value = singleHeader(request, header, maxTokenLength + bearer.length)
  // RFC 9110 §11.1: the scheme is case-insensitive.
  if (value === undefined || !/^bearer(?:$|[^!#$%&'*+.^_`|~0-9a-z-])/i.test(value)) return undefined
  if (value.charAt(bearer.length - 1) !== ' ')
    throw authenticationError(`${header} is not the word Bearer, one space and one token`)
  return value.slice(bearer.length)
}

const bearer = 'Bearer '
/** As for JWT-SVIDs: twice the header size that HTTP servers accept. */
const maxTokenLength = 16 * 1024
