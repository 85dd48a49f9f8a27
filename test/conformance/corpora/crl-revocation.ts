export function crlRevocation(_crls: readonly (string | Uint8Array)[], _issuers: readonly (string | Uint8Array)[]): 'unsupported' {
  return 'unsupported'
}
