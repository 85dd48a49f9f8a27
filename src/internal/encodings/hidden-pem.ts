// Why a text has no PEM block: the encodings and forms of it that operators give by mistake.

/** Why no block is found in a text that may contain one: an encoding that editors and secret stores apply. */
export function hiddenBy(text: string): string {
  if (text.length === 0) return '; the text is empty'
  const head = text.slice(0, 256)
  if (isUtf16(head)) return '; the text is UTF-16, expected ASCII or UTF-8'
  if (/^0(?:[^\0-\x7F]|[^]\x02\x01)/.test(head)) return derGivenAsText
  // Base64 of "-----BEGIN", of the values of a Kubernetes Secret; the DER of a SEQUENCE.
  if (head.trimStart().startsWith('LS0tLS1CRUdJT')) return '; the text is base64 of a PEM text'
  if (/^\s*M[A-Z][A-Za-z0-9+/]{40}[A-Za-z0-9+/=\s]*$/.test(head))
    return '; the text is base64 without BEGIN and END lines'
  if (/^\s*\{/.test(head)) return '; the text is JSON'
  return /^(?:file:|[.~]{0,2}\/)[^\r\n]{1,255}\s*$/.test(text.slice(0, 300))
    ? '; the text looks like the path of a file, expected its content'
    : ''
}

/** Whether octets, as latin-1, begin with a byte order mark of UTF-16, or have a BEGIN line in it. */
export function isUtf16(head: string): boolean {
  return /^(?:\u00FF\u00FE|\u00FE\u00FF)/.test(head) || /-\0-\0B\0E\0G\0I\0N/.test(head)
}

const derGivenAsText =
  '; the text is DER: give it as octets, or convert it to PEM (openssl pkey -inform DER, for a certificate ' +
  'openssl x509 -inform DER)'
