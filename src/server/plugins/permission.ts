import type { FastifyInstance, FastifyRequest } from 'fastify'
import { mayDo, type Permission } from '../../auth/permissions.ts'
import { ControlError, isControlError } from '../../core/errors.ts'
import { isSerialNumber } from '../../core/ids.ts'
import type { PrincipalType } from '../../core/principal.ts'
import type { Certificate } from '../../wire/certificates.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller needs. A route that does not say is a reason not to start. */
    permission?: Permission
    /** Every caller may do this to certificates of its own. */
    ownCertificate?: boolean
    /** Further narrowed to these types of principals. */
    types?: readonly PrincipalType[]
  }
}

const denied = (permission: Permission): ControlError =>
  new ControlError('permission_denied', `this needs the permission ${permission}`)

export interface PermissionDeps {
  getCertificate(serialNumber: string): Promise<Certificate>
}

/** One hook reads the table of permissions for every route: default deny. */
export const demandPermissions = (app: FastifyInstance, deps: PermissionDeps): void => {
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.permission === undefined) throw new Error(`route ${method} ${url} does not say who may call it`)
  })

  /** An unknown certificate is refused like a foreign one, so that nobody learns which serial numbers exist. */
  const isOwnCertificate = async ({ params, caller }: FastifyRequest): Promise<boolean> => {
    const { serial_number } = params as { serial_number: string }
    if (!isSerialNumber(serial_number)) return false
    if (serial_number === caller.certificate.serial_number) return true
    try {
      const certificate = await deps.getCertificate(serial_number)
      return certificate.principal_id === caller.principal.principal_id
    } catch (error) {
      if (isControlError(error, 'not_found')) return false
      throw error
    }
  }

  app.addHook('onRequest', (request, _reply, done) => {
    const { permission, types, ownCertificate } = request.routeOptions.config
    const { type } = request.caller.principal
    if (permission === undefined) return done(new ControlError('permission_denied', 'nobody may do this'))
    if (types !== undefined && !types.includes(type)) {
      return done(new ControlError('permission_denied', `this is for principals of type ${types.join(' or ')}`))
    }
    if (mayDo(type, permission)) return done()
    if (ownCertificate !== true) return done(denied(permission))
    isOwnCertificate(request).then((own) => done(own ? undefined : denied(permission)), done)
  })
}
