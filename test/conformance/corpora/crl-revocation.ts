export function crlRevocation(_crls: readonly (string | Uint8Array)[], _issuers: readonly (string | Uint8Array)[], _mode: 'required' | 'if-available' = 'required'): 'unsupported' {
  return 'unsupported'
}
