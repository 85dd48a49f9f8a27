// Why a certificate was refused: a verdict names every path that was tried, the certificate at fault and the
// clause it broke.

import { SoftwareSigner } from 'spiffe-pki/keys'
import { createPathValidator, explainVerdict } from 'spiffe-pki/validation'
import { DistinguishedName, buildCertificate, generalName, keyPurposeOids } from 'spiffe-pki/x509'

const notBefore = new Date('2026-01-01T00:00:00Z')
const notAfter = new Date('2026-12-31T23:59:59Z')

// A root, an issuing CA that may only issue for staging.example, and a server certificate for production.
const rootKey = await SoftwareSigner.generate('P-256')
const issuingKey = await SoftwareSigner.generate('P-256')
const serverKey = await SoftwareSigner.generate('P-256')
const rootName = DistinguishedName.parse('CN=Example Root')
const issuingName = DistinguishedName.parse('CN=Example Staging CA')

const root = await buildCertificate(
  {
    issuer: rootName,
    subject: rootName,
    publicKey: rootKey.publicKey,
    notBefore,
    notAfter,
    extensions: {
      basicConstraints: { ca: true },
      keyUsage: ['keyCertSign', 'cRLSign'],
      subjectKeyIdentifier: rootKey.publicKey,
    },
  },
  rootKey,
)

const issuing = await buildCertificate(
  {
    issuer: rootName,
    subject: issuingName,
    publicKey: issuingKey.publicKey,
    notBefore,
    notAfter,
    extensions: {
      basicConstraints: { ca: true, pathLength: 0 },
      keyUsage: ['keyCertSign', 'cRLSign'],
      subjectKeyIdentifier: issuingKey.publicKey,
      authorityKeyIdentifier: rootKey.publicKey.keyIdentifier,
      nameConstraints: { permitted: [generalName.dns('staging.example')] },
    },
  },
  rootKey,
)

const server = await buildCertificate(
  {
    issuer: issuingName,
    publicKey: serverKey.publicKey,
    notBefore,
    notAfter,
    extensions: {
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: [keyPurposeOids.serverAuth],
      subjectAltName: [generalName.dns('www.production.example')],
      authorityKeyIdentifier: issuingKey.publicKey.keyIdentifier,
    },
  },
  issuingKey,
)

const validator = createPathValidator({ anchors: [root], extendedKeyUsage: 'serverAuth' })
const options = { intermediates: [issuing] }
const atTime = (text: string): string =>
  explainVerdict(validator.verify(server, { ...options, time: new Date(text) }))

console.log('# In summer: the name is not one that the CA may issue for\n')
console.log(atTime('2026-07-01T12:00:00Z'))
console.log('\n# Next year: nothing is valid any more\n')
console.log(atTime('2027-07-01T12:00:00Z'))

// The same as data, for programs:
const verdict = validator.verify(server, { time: new Date('2026-07-01T12:00:00Z') })
if (!verdict.ok)
  console.log(
    '\n# Without the intermediate:',
    verdict.rejected.map(({ code, rule }) => ({ code, rule })),
  )
