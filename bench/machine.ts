// What the figures were measured on.

import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os'

/** The machine and the versions that decide the figures. */
export interface MachineInfo {
  readonly machine: string
  readonly node: string
  readonly openssl: string
}

export function machineInfo(): MachineInfo {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const gib = Math.round(totalmem() / 2 ** 30)
  return {
    machine: `${model}, ${availableParallelism()} cores, ${gib} GiB, ${platform()} ${arch()}`,
    node: process.versions.node,
    openssl: process.versions.openssl ?? 'unknown',
  }
}
