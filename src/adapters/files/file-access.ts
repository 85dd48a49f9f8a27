// Checks of owner and permissions of key files, and the errors of the file system.

import { open } from 'node:fs/promises'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { systemReason } from '../../internal/files/system-error.ts'

/** Further access to the files, besides the owner. */
export interface FileAccess {
  /**
   * The number of a group that may read and write the files: Kubernetes assigns a volume with `fsGroup` to a
   * group. Undefined: only the owner.
   */
  readonly groupId: number | undefined
}

/**
 * The owner of a directory can replace its files, so it is checked like the owner of a file.
 * @throws ERR_KEY_STORAGE
 */
export function checkAccess(
  what: string,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
  { groupId }: FileAccess,
  required: string,
): void {
  const isGroup = groupId !== undefined && gid === groupId
  if ((mode & (isGroup ? 0o007 : 0o077)) !== 0) {
    const found = `mode ${(mode & 0o777).toString(8)}, group ${gid}`
    throw new PkiError(
      'ERR_KEY_STORAGE',
      `${what} is accessible to others: ${found}; ${requirement(required, gid, groupId)}`,
    )
  }
  // The kubelet creates the root directory of a volume as root.
  const owner = process.geteuid?.() ?? uid
  if (uid !== owner && !(isGroup && uid === 0)) {
    throw new PkiError(
      'ERR_KEY_STORAGE',
      `${what} belongs to the user ${uid}; this process runs as the user ${owner}: run it as user ${uid}, ` +
        `or give the directory and its files to user ${owner} (chown)`,
    )
  }
}

/** The permissions that are missing, and how to get them. */
function requirement(required: string, gid: number, groupId: number | undefined): string {
  const own = `${required} is required (chmod ${required})`
  if (groupId === undefined)
    return `${own}. For a Kubernetes volume with fsGroup, give that group as dangerouslyAllowGroupId`
  if (groupId !== gid) return `${own}, or the group ${groupId}, which dangerouslyAllowGroupId names (chgrp)`
  // The mount point of a volume is often 2775 or 2777; a directory below it is created with 0700.
  return (
    `the group ${gid} is allowed, but all other users are not (chmod o-rwx). At the mount point of a ` +
    'Kubernetes volume, use a directory below it'
  )
}

/** The error for a failed file system call, without the content to write. */
export function storageError(verb: string, error: unknown): PkiError {
  if (isPkiError(error)) return error
  return new PkiError(
    'ERR_KEY_STORAGE',
    `cannot ${verb} ${pathOf(error) ?? 'a key file'}: ${systemReason(error)}`,
    { cause: error },
  )
}

function pathOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).path : undefined
}

/** The `code` of a system error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

/** Makes the entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
