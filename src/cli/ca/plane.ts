import type { Authority, AuthorityDetails, PrepareAuthority } from '../../wire/authorities.ts'
import type { TrustBundle } from '../../wire/trust-bundle.ts'
import type { Client } from '../client.ts'

export const collection = '/v1/authorities'

/** What the plane knows of issuers and roots. */
export const planeOver = (client: Client) => ({
  list: async (): Promise<Authority[]> => {
    const found: Authority[] = []
    for await (const each of client.pages<Authority>(collection, {})) found.push(each)
    return found
  },
  get: (id: string): Promise<AuthorityDetails> => client.get<AuthorityDetails>(`${collection}/${id}`),
  prepare: (certificatePem: string, kmsKeyId: string | undefined): Promise<Authority> => {
    const kms = kmsKeyId === undefined ? {} : { kms_key_id: kmsKeyId }
    const body: PrepareAuthority = { certificate_pem: certificatePem, ...kms }
    return client.send<Authority>({ method: 'POST', path: collection, body })
  },
  step: (id: string, step: 'activate' | 'retire' | 'remove', body: object): Promise<Authority> =>
    client.send<Authority>({ method: 'POST', path: `${collection}/${id}/${step}`, body }),
  bundle: (): Promise<TrustBundle> => client.get<TrustBundle>('/v1/trust-bundle'),
})
export type PlaneCalls = ReturnType<typeof planeOver>

/** How a rotation stands, for what is done with the deployment's own secrets. */
export const rotationOf = (known: readonly Authority[]) => {
  const issuers = known.filter(({ kind }) => kind === 'issuer')
  const active = issuers.find(({ state }) => state === 'active')
  return {
    ...(active === undefined ? {} : { active: active.issuer_id }),
    removed: new Set(issuers.flatMap(({ issuer_id, state }) => (state === 'removed' ? [issuer_id] : []))),
    kmsKeys: new Map(
      issuers.flatMap(({ issuer_id, kms_key_id }) => (kms_key_id === undefined ? [] : [[issuer_id, kms_key_id]])),
    ),
  }
}
