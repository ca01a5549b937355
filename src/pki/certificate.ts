import { ControlError, isControlError } from '../core/errors.ts'
import { makeClientTbs } from './client-tbs.ts'
import { inspectIssued } from './inspect.ts'
import type { Issuer } from './issuer.ts'
import type { ClientGrant, ClientProfile } from './profile.ts'
import { signTbs } from './tbs.ts'

export interface IssueDeps {
  issuer: Issuer
  profile: ClientProfile
}

export type IssueClientCertificate = (grant: ClientGrant) => Promise<Buffer>

/**
 * Turns a grant into a client certificate, DER. Only what the grant says varies. What was signed is read back and compared
 * with the grant before it is returned: a difference rejects with a plain Error. An issuer whose key is not here, or does not
 * answer, rejects with ControlError `issuer_unavailable`.
 */
export const makeIssueClientCertificate = ({ issuer, profile }: IssueDeps): IssueClientCertificate => {
  const tbsOf = makeClientTbs(issuer, profile)
  return async (grant) => {
    const { signer } = issuer
    if (!signer) throw new ControlError('issuer_unavailable', 'this server holds no key of an issuer')
    const der = await signTbs(tbsOf(grant), signer).catch((cause: unknown) => {
      throw isControlError(cause)
        ? cause
        : new ControlError('issuer_unavailable', 'the key of the issuer cannot be reached', { cause })
    })
    inspectIssued(der, grant, profile, issuer)
    return der
  }
}
