import { createHash } from 'node:crypto'
import type { Attribution } from '../core/audit.ts'
import { ControlError } from '../core/errors.ts'
import { AlreadyAnswered } from '../core/once.ts'
import type { Registry } from '../store/registry.ts'
import type { IssueCertificate, IssuedCertificate } from '../wire/certificates.ts'
import type { CreatePrincipal } from '../wire/principals.ts'
import type { CallerRequest } from './request.ts'

export interface RegisterAdminDeps {
  registry: Pick<Registry, 'principals'>
  createPrincipal: (request: Omit<CallerRequest, 'caller'>, body: CreatePrincipal) => Promise<unknown>
  issue: (request: Omit<CallerRequest, 'caller'>, body: IssueCertificate) => Promise<IssuedCertificate>
}

/**
 * Makes or finds an admin and has its request signed: how the first one comes to be. The same request gives the same
 * certificate for 24 h, so a bootstrap that was cut off can be run again.
 */
export const makeRegisterAdmin =
  ({ registry, createPrincipal, issue }: RegisterAdminDeps) =>
  async ({ principal_id, csr_pem }: { principal_id: string; csr_pem: string }): Promise<IssuedCertificate> => {
    const attribution: Attribution = { actor: 'system', request_id: 'bootstrap', remote_address: 'local' }
    const found = await registry.principals.get(principal_id)
    if (found === undefined)
      await createPrincipal({ attribution }, { principal_id, type: 'admin', max_certificates: 10 })
    else if (found.type !== 'admin')
      throw new ControlError(
        'principal_exists',
        `${principal_id} is registered as ${found.type}: choose another id for the admin`,
      )
    const digest = createHash('sha256')
      .update(JSON.stringify(['bootstrap', principal_id, csr_pem]))
      .digest('hex')
    try {
      const once = { key: digest, body_sha256: digest, status: 201, kept: false }
      return await issue({ attribution, once }, { principal_id, csr_pem })
    } catch (error) {
      if (error instanceof AlreadyAnswered) return error.body as IssuedCertificate
      throw error
    }
  }
