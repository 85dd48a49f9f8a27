// PeerAuthentication: whether mutual TLS is required, by mesh, namespace, workload and port.

import type { DocumentReader } from '../document-reader.ts'
import { readSelector, selects } from './mesh-resource.ts'
import type { MeshResource, Workload } from './mesh-resource.ts'

/**
 * `STRICT` requires mutual TLS, `PERMISSIVE` accepts it and plain text, `DISABLE` accepts plain text only.
 * @inline
 */
type MutualTlsMode = 'STRICT' | 'PERMISSIVE' | 'DISABLE'

/** The mode of a port, and the resource that sets it. @inline */
export interface MutualTlsDecision {
  readonly mode: MutualTlsMode
  /** `namespace/name` of the PeerAuthentication, or `default`. */
  readonly rule: string
}

/** One resource for the workload; undefined modes are inherited. */
export interface PeerAuthentication {
  readonly id: string
  readonly scope: 'mesh' | 'namespace' | 'workload'
  /** The namespace is the root namespace. */
  readonly isRoot: boolean
  readonly createdMs: number
  readonly mode: MutualTlsMode | undefined
  /** UNSET is undefined: the mode of the workload. */
  readonly ports: ReadonlyMap<number, MutualTlsMode | undefined>
}

/** Checks a resource; undefined if it does not apply to the workload. */
export function readPeerAuthentication(
  { id, namespace, createdMs, spec }: MeshResource,
  workload: Workload,
  rootNamespace: string,
): PeerAuthentication | undefined {
  const labels = readSelector(spec)
  const mode = readMode(spec?.object('mtls'))
  const ports = readPorts(spec?.object('portLevelMtls'))
  if (ports.size > 0 && labels.size === 0)
    spec?.fault('portLevelMtls', 'needs a selector with labels: ports are those of a workload')
  spec?.finish()
  const isRoot = namespace === rootNamespace
  if (!(isRoot || namespace === workload.namespace) || !selects(labels, workload)) return undefined
  const scope = labels.size > 0 ? 'workload' : isRoot ? 'mesh' : 'namespace'
  return { id, scope, isRoot, createdMs, mode, ports }
}

function readPorts(byPort: DocumentReader | undefined): PeerAuthentication['ports'] {
  const ports = new Map<number, MutualTlsMode | undefined>()
  if (byPort === undefined) return ports
  for (const port of Object.keys(byPort.value)) {
    if (!/^[1-9][0-9]{0,4}$/.test(port) || Number(port) > 65_535)
      byPort.fault(port, 'is not a port from 1 to 65535')
    ports.set(Number(port), readMode(byPort.object(port)))
  }
  return ports
}

function readMode(mtls: DocumentReader | undefined): MutualTlsMode | undefined {
  const mode = mtls?.oneOf('mode', ['STRICT', 'PERMISSIVE', 'DISABLE', 'UNSET'])
  mtls?.finish()
  return mode === 'UNSET' ? undefined : (mode as MutualTlsMode | undefined)
}

/** The modes of one workload. */
export class PeerAuthentications {
  readonly #byScope: Readonly<Record<PeerAuthentication['scope'], PeerAuthentication | undefined>>

  constructor(resources: readonly PeerAuthentication[]) {
    const of = (scope: PeerAuthentication['scope']): PeerAuthentication | undefined =>
      resources.filter((one) => one.scope === scope).toSorted(precedence)[0]
    this.#byScope = { mesh: of('mesh'), namespace: of('namespace'), workload: of('workload') }
  }

  /** The mode of a port of the workload; without a port, the mode of the ports that no resource names. */
  modeOf(port: number | undefined): MutualTlsDecision {
    const { mesh, namespace, workload } = this.#byScope
    const ofPort = port === undefined ? undefined : workload?.ports.get(port)
    if (ofPort !== undefined) return { mode: ofPort, rule: `${workload?.id}:${port}` }
    for (const one of [workload, namespace, mesh])
      if (one?.mode !== undefined) return { mode: one.mode, rule: one.id }
    return { mode: 'PERMISSIVE', rule: 'default' }
  }

  /** Like `modeOf`; if the port is not known, STRICT if any port is STRICT. */
  strictestOf(port: unknown): MutualTlsDecision {
    if (typeof port === 'number') return this.modeOf(port)
    const { workload } = this.#byScope
    for (const [strict, mode] of workload?.ports ?? []) if (mode === 'STRICT') return this.modeOf(strict)
    return this.modeOf(undefined)
  }
}

/** Its own namespace before the root's, then the oldest, then by name. */
function precedence(a: PeerAuthentication, b: PeerAuthentication): number {
  if (a.isRoot !== b.isRoot) return a.isRoot ? 1 : -1
  if (a.createdMs !== b.createdMs) return a.createdMs < b.createdMs ? -1 : 1
  return a.id < b.id ? -1 : 1
}
