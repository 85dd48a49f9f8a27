// AWS without an access key: AssumeRoleWithWebIdentity with a JWT-SVID, as AWS asks of an OIDC provider.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SoftwareSigner } from 'spiffe-pki'
import { createJwtSource } from 'spiffe-pki/secrets'
import { JwtAuthority, TrustBundle, createJwtVerifier, issueJwtSvid } from 'spiffe-pki/svid'

const id = 'spiffe://example.org/orders'
const key = await SoftwareSigner.generate('P-256')
const bundles = new TrustBundle('example.org', {
  jwtAuthorities: [JwtAuthority.from('jwt-1', key.publicKey)],
})
const claims = { iss: 'https://oidc.example.org' }
await using jwt = createJwtSource({
  fetchToken: ({ audience }) => issueJwtSvid({ id, audience, keyId: 'jwt-1', claims }, key),
})

const verifier = createJwtVerifier({ bundles })
const assumeRole = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  let body = ''
  for await (const part of request) body += String(part)
  const form = new URLSearchParams(body)
  const svid = await verifier.verify(form.get('WebIdentityToken') ?? '', 'sts.amazonaws.com')
  const session = `<AccessKeyId>ASIA-OF-${form.get('RoleSessionName')}</AccessKeyId>`
  response.end(`<Credentials>${session}</Credentials><Subject>${svid.id.toString()}</Subject>`)
}
// A stand-in for the Security Token Service: it verifies the token and answers as AWS does.
const sts = createServer((request, response) => void assumeRole(request, response))
sts.listen(0, '127.0.0.1')
await once(sts, 'listening')

// In production https://sts.REGION.amazonaws.com. With the AWS SDK: fromWebToken({ roleArn, webIdentityToken:
// await jwt.token('sts.amazonaws.com') }) in a provider that is called again when the credentials expire.
const response = await fetch(`http://127.0.0.1:${(sts.address() as AddressInfo).port}/`, {
  method: 'POST',
  body: new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: 'arn:aws:iam::123456789012:role/orders',
    RoleSessionName: 'orders',
    WebIdentityToken: await jwt.token('sts.amazonaws.com'),
  }),
})
const answer = await response.text()
console.log('temporary access key:', /<AccessKeyId>([^<]+)/.exec(answer)?.[1])
console.log('AWS knows the caller as', /<Subject>([^<]+)/.exec(answer)?.[1])
sts.close()
