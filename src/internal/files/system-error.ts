// Why a call of the operating system failed, in words.

import { getSystemErrorMap } from 'node:util'

/** Such as `no space left on device (ENOSPC)`; the text of an error that is not of the system. */
export function systemReason(error: unknown): string {
  const { code, errno } = Object(error) as NodeJS.ErrnoException
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]
  if (typeof code !== 'string') return error instanceof Error ? error.message : String(error)
  return words === undefined ? code : `${words} (${code})`
}
