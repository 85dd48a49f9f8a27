// The common fields of AuthorizationPolicy and PeerAuthentication: kind, name, namespace, and the selected
// workloads.

import type { DocumentReader } from '../document-reader.ts'

/** The workload to which policies apply or not. @inline */
export interface Workload {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

/** The head of a resource. */
export interface MeshResource {
  readonly kind: 'AuthorizationPolicy' | 'PeerAuthentication'
  /** `namespace/name`. */
  readonly id: string
  readonly namespace: string
  /** `metadata.creationTimestamp`; Infinity if it is absent. */
  readonly createdMs: number
  readonly spec: DocumentReader | undefined
}

/** Reads everything but `spec`. */
export function readResource(resource: DocumentReader): MeshResource {
  const kind =
    resource.oneOf('kind', ['AuthorizationPolicy', 'PeerAuthentication']) ?? resource.missing('kind')
  const version = resource.oneOf('apiVersion', ['security.istio.io/v1', 'security.istio.io/v1beta1'])
  if (version === undefined) resource.missing('apiVersion')
  const metadata = resource.object('metadata') ?? resource.missing('metadata')
  const name = metadata.text('name') ?? metadata.missing('name')
  const namespace = metadata.text('namespace') ?? 'default'
  for (const [key, text] of [
    ['name', name],
    ['namespace', namespace],
  ] as const)
    if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text)) metadata.fault(key, 'is not a Kubernetes name')
  metadata.ignore(unreadMetadata)
  metadata.finish()
  const created: unknown = metadata.value['creationTimestamp']
  const createdMs = typeof created === 'string' ? Date.parse(created) : Number.NaN
  const spec = resource.object('spec')
  resource.ignore(['status'])
  resource.finish()
  return {
    kind: kind as MeshResource['kind'],
    id: `${namespace}/${name}`,
    namespace,
    createdMs: Number.isNaN(createdMs) ? Infinity : createdMs,
    spec,
  }
}

/** The labels that `spec.selector` requires; empty: every workload. */
export function readSelector(spec: DocumentReader | undefined): ReadonlyMap<string, string> {
  const labels = new Map<string, string>()
  const selector = spec?.object('selector')
  const matchLabels = selector?.object('matchLabels')
  for (const [key, value] of Object.entries(matchLabels?.value ?? {})) {
    if (typeof value !== 'string' || key === '' || `${key}${value}`.includes('*'))
      return (matchLabels as DocumentReader).fault(key, 'expected a label and its value as text without *')
    labels.set(key, value)
  }
  selector?.finish()
  return labels
}

/** Whether the workload has every label. */
export function selects(labels: ReadonlyMap<string, string>, workload: Workload): boolean {
  return [...labels].every(([key, value]) => workload.labels[key] === value)
}

/** Fields that kubectl prints. */
const unreadMetadata = [
  'annotations',
  'creationTimestamp',
  'finalizers',
  'generation',
  'labels',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
]
