// Our own opinion, by the most permissive profile: section 6 without the rules of section 4 for CAs.

import { isPkiError } from '../../src/errors/index.ts'
import { createPathValidator, validationProfiles } from '../../src/validation/index.ts'
import type { Verdict } from '../../src/validation/index.ts'
import { CertificateRequest, PublicKey, Crl } from '../../src/x509/index.ts'
import type { Case, Judge, Opinion } from './opinion.ts'
import { host, time } from './pki.ts'
import type { FixedPki } from './pki.ts'

export function ourJudge({ root, intermediates, leaf }: FixedPki): Judge {
  const profile = {
    ...validationProfiles.rfc5280,
    certificateRules: 'path',
    // As OpenSSL has it; RFC 5280 §4.2.1.12 leaves it open, and Go accepts it.
    acceptAnyExtendedKeyUsage: false,
  } as const
  const anchors = [root.certificate]
  const whole = createPathValidator({
    anchors,
    intermediates: intermediates.map(({ certificate }) => certificate),
    profile,
    time,
  })
  const alone = createPathValidator({ anchors, profile, time, maxRememberedIssuers: 0 })
  const issuerKey = PublicKey.from(root.signer.publicKey)

  const judge = ({ question, der }: Case): Opinion => {
    switch (question) {
      case 'leaf':
        return opinionOf(whole.verify(der))
      case 'server':
        return opinionOf(whole.verify(der, { extendedKeyUsage: 'serverAuth', peer: { dns: host } }))
      case 'issuer':
        return opinionOf(alone.verify(leaf, { intermediates: [der] }))
      case 'request': {
        const request = CertificateRequest.parse(der)
        request.checkAll()
        request.verify()
        return accepted
      }
      case 'list': {
        const list = Crl.parse(der)
        list.checkAll()
        if (!list.issuer.equals(root.name))
          return { accepted: false, reason: 'ISSUER the list is of another issuer' }
        return list.verifySignatureBy(issuerKey)
          ? accepted
          : { accepted: false, reason: 'SIGNATURE does not verify' }
      }
    }
  }
  return (cases) =>
    cases.map((one) => {
      try {
        return judge(one)
      } catch (error) {
        if (isPkiError(error)) return { accepted: false, reason: `${error.code} ${error.message}` }
        throw error
      }
    })
}

function opinionOf(verdict: Verdict): Opinion {
  if (verdict.ok) return accepted
  const [first] = verdict.rejected
  return {
    accepted: false,
    reason: first === undefined ? 'no path' : `${first.code} ${first.rule}: ${first.message}`,
  }
}

const accepted: Opinion = { accepted: true, reason: '' }
