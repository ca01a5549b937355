import type { FastifyInstance } from 'fastify'
import { permissionsOf } from '../../auth/permissions.ts'
import type { Clock } from '../../core/time.ts'
import { renderCertificate } from '../../wire/certificates.ts'
import { renderPrincipal } from '../../wire/principals.ts'
import { Whoami } from '../../wire/whoami.ts'
import { addOperation } from './operation.ts'

export const addWhoami = (app: FastifyInstance, clock: Clock): void => {
  addOperation(app, {
    method: 'GET',
    url: '/v1/whoami',
    operationId: 'whoami',
    tag: 'caller',
    summary: 'Who the caller is and what it may do',
    description: 'As the registry says: nothing in the request and no name in the certificate decides it.',
    permission: 'any',
    answer: { status: 200, schema: Whoami, description: 'The caller' },
    run: async ({ caller: { principal, certificate } }) => ({
      principal: renderPrincipal(principal, clock()),
      certificate: renderCertificate(certificate, clock()),
      permissions: [...permissionsOf[principal.type]],
    }),
  })
}
