// Why a call of the operating system failed, in words.

import { getSystemErrorMap } from 'node:util'

/** The reason of a system error, such as `no space left on device (ENOSPC)`; for another error its text. */
export function systemReason(error: unknown): string {
  const { code, errno } = Object(error) as NodeJS.ErrnoException
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]
  if (typeof code !== 'string') return error instanceof Error ? error.message : String(error)
  return words === undefined ? code : `${words} (${code})`
}
