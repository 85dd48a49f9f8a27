// Who may sign an OCSP response, where the path validator has accepted every certificate: the checks of
// RFC 6960 §4.2.2.2 that the OCSP checker makes itself, and what its signatures cost.

import { describe, expect, it } from 'vitest'
import { createOcspChecker } from '../../../../src/validation/index.ts'
import { Budget } from '../../../../src/validation/budget.ts'
import type { OcspCheckerOptions } from '../../../../src/validation/revocation/index.ts'
import type { RevocationQuery } from '../../../../src/validation/revocation-contract.ts'
import type { OcspResponse } from '../../../../src/x509/index.ts'
import { makeAnswer, makeAuthority, makeLeaf, makeResponder, newSigner, respond, time } from '../test-pki.ts'
import type { Authority, Issuer } from '../test-pki.ts'

const ca = await makeAuthority('ca')
const other = await makeAuthority('other')
const leaf = await makeLeaf(ca)
const responderSigner = newSigner()

function queryOf({ name, signer, certificate }: Authority = ca): RevocationQuery {
  return {
    certificate: leaf,
    issuer: { subject: name, publicKey: signer.publicKey, certificate },
    time,
    budget: new Budget(),
    verifyAuthority: () => undefined,
  }
}

/** The rule that refuses the response; undefined if it shows a good status. */
function refusedBy(
  response: OcspResponse,
  query: RevocationQuery,
  options: Partial<OcspCheckerOptions> = {},
): string | undefined {
  return createOcspChecker({ responses: [response], mode: 'hard-fail', ...options }).check(query)?.rule
}

async function delegatedBy(issuer: Issuer): Promise<OcspResponse> {
  const responder = await makeResponder(issuer, { signer: responderSigner })
  return respond([makeAnswer(ca, leaf)], responderSigner, { certificates: [responder] })
}

describe('a responder that the path validator accepts', () => {
  it('answers for the CA that issued its certificate', async () => {
    expect(refusedBy(await delegatedBy(ca), queryOf())).toBeUndefined()
  })

  it.each([
    ['of another issuer name', { name: other.name, signer: ca.signer }],
    ['signed with the key of another CA of the same name', { name: ca.name, signer: other.signer }],
  ])('does not answer with a certificate %s', async (_what, issuer) => {
    expect(refusedBy(await delegatedBy(issuer), queryOf())).toBe('RFC 6960 §4.2.2.2')
  })
})

describe('an issuer', () => {
  it.each([
    [['cRLSign'], 'RFC 6960 §4.2.2.2'],
    [['digitalSignature'], undefined],
    [['keyCertSign'], undefined],
    [undefined, undefined],
  ] as const)('with the key usage %j signs answers, or is refused by %s', async (keyUsage, rule) => {
    const certificate = (
      await makeAuthority('ca', undefined, { signer: ca.signer, extensions: { keyUsage } })
    ).certificate
    const response = await respond([makeAnswer(ca, leaf)], ca.signer)
    expect(refusedBy(response, queryOf({ ...ca, certificate }))).toBe(rule)
  })
})

describe('the signature checks of a response', () => {
  it('are one if the issuer signed it, and none when it comes again', async () => {
    const checker = createOcspChecker({
      responses: [await respond([makeAnswer(ca, leaf)], ca.signer)],
      mode: 'hard-fail',
    })
    const costs = [queryOf(), queryOf()].map((query) => {
      expect(checker.check(query)).toBeUndefined()
      return query.budget.spent.signatureChecks
    })
    expect(costs).toEqual([1, 0])
  })

  it('are two if a responder signed it: one of its certificate', async () => {
    const query = queryOf()
    expect(refusedBy(await delegatedBy(ca), query)).toBeUndefined()
    expect(query.budget.spent.signatureChecks).toBe(2)
  })
})

it('octets of a nonce that the caller changes afterwards are those of before', async () => {
  const nonce = new Uint8Array(32).fill(1)
  const response = await respond([makeAnswer(ca, leaf)], ca.signer, { nonce: nonce.slice() })
  const checker = createOcspChecker({ responses: [response], mode: 'hard-fail', nonce })
  nonce.fill(2)
  expect(checker.check(queryOf())).toBeUndefined()
})
