// A one-line description of a certificate, for messages.

import { isPkiError } from '../../errors/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { printable, shortened } from '../../internal/values/outside-text.ts'

/**
 * The subject (or names), the serial number and both dates of a certificate,
 * on one line; text from outside is escaped.
 */
export function describeCertificate(certificate: Certificate): string {
  const subject = readable(() => certificate.subject.toString())
  const names = (): string =>
    (certificate.subjectAltName ?? [])
      .slice(0, 3)
      .map((name) => ('value' in name && typeof name.value === 'string' ? name.value : name.type))
      .join(', ')
  const shown = shortened(subject === '' ? readable(names) : subject, 200)
  const [from, until] = [certificate.notBeforeMs, certificate.notAfterMs].map((ms) =>
    readable(() => new Date(ms).toISOString().replace('.000Z', 'Z')),
  )
  const serial = readable(() => certificate.serialNumber)
  return `${printable(JSON.stringify(shown))}, serial ${serial}, ${from} to ${until}`
}

/** Text from a certificate that may be malformed. */
function readable(read: () => string): string {
  try {
    return read()
  } catch (error) {
    if (!isPkiError(error)) throw error
    return 'unreadable'
  }
}
