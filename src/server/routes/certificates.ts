import type { FastifyInstance } from 'fastify'
import type { ErrorCode } from '../../core/errors.ts'
import {
  Certificate,
  CertificatePage,
  CertificateParams,
  IssueCertificate,
  IssuedCertificate,
  ListCertificates,
  RenewCertificate,
  RevokeCertificate,
} from '../../wire/certificates.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

const tag = 'certificates'

/** What signing can be refused with. */
const whenIssuing: readonly ErrorCode[] = [
  'csr_invalid',
  'csr_key_rejected',
  'certificate_quota_exceeded',
  'key_already_registered',
  'invalid_transition',
  'issuer_unavailable',
]

export const addCertificates = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'POST',
    url: '/v1/renewals',
    operationId: 'renewCertificate',
    tag,
    summary: 'Renew the certificate presented',
    description: 'The successor never lives longer than it did; the old one works until its successor is first used.',
    permission: 'self',
    body: RenewCertificate,
    answer: { status: 201, schema: IssuedCertificate, description: 'The successor' },
    problems: [...whenIssuing, 'last_admin'],
    run: ({ request, body }) => plane.verbs.renewCertificate(request, body),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/certificates',
    operationId: 'issueCertificate',
    tag,
    summary: 'Issue a certificate to a principal',
    description: 'Only the key is taken from the request; the registry decides every name.',
    permission: 'certs:manage',
    body: IssueCertificate,
    answer: { status: 201, schema: IssuedCertificate, description: 'The certificate with all that its holder needs' },
    problems: ['not_found', ...whenIssuing],
    run: ({ request, body }) => plane.verbs.issueCertificate(request, body),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/certificates',
    operationId: 'listCertificates',
    tag,
    summary: 'List certificates',
    description: 'A page may be short; only an absent `next_page_token` ends the list.',
    permission: 'certs:read',
    query: ListCertificates,
    answer: { status: 200, schema: CertificatePage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listCertificates(query),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/certificates/:serial_number',
    operationId: 'getCertificate',
    tag,
    summary: 'Read a certificate',
    description: 'Every caller may read its own; to one without `certs:read`, an unknown one looks like a foreign one.',
    permission: 'certs:read',
    ownCertificate: true,
    params: CertificateParams,
    answer: { status: 200, schema: Certificate, description: 'The certificate' },
    problems: ['not_found'],
    run: ({ params }) => plane.verbs.getCertificate(params.serial_number),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/certificates/:serial_number/revoke',
    operationId: 'revokeCertificate',
    tag,
    summary: 'Revoke a certificate',
    description: 'Its connections are cut, on every server. Every caller may revoke its own. Again: nothing changes.',
    permission: 'certs:manage',
    ownCertificate: true,
    first: true,
    params: CertificateParams,
    body: RevokeCertificate,
    answer: { status: 200, schema: Certificate, description: 'The revoked certificate' },
    problems: ['not_found', 'last_admin'],
    run: ({ request, params, body, caller, leave }) => {
      if (params.serial_number === caller.certificate.serial_number) leave()
      return plane.verbs.revokeCertificate(request, params.serial_number, body)
    },
  })
}
