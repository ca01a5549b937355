import { Argument, Option } from 'commander'
import { type CertificateStatus, certificateStatuses } from '../../core/certificate.ts'
import type { Certificate } from '../../wire/certificates.ts'
import type { StartRevocation } from '../../wire/revocations.ts'
import { usageError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import {
  forceOption,
  limitOption,
  makeReadMoment,
  readPrincipalId,
  readSerialNumber,
  reasonOption,
  validityOption,
  yesOption,
} from '../options.ts'
import { confirm } from '../prompt.ts'
import type { Session } from '../session.ts'
import { certificateView, revocationView } from '../views.ts'
import { inspectVerb, verifyVerb } from './certificate-files.ts'
import { generateVerb } from './certificate-generate.ts'

const collection = '/v1/certificates'

const serialArgument = () => new Argument('<serial>', 'serial number, hex').argParser(readSerialNumber)

const listVerb = (session: Session): Verb => ({
  name: 'list',
  summary: 'list certificates',
  arguments: [new Argument('[principal-id]', 'only of this principal').argParser(readPrincipalId)],
  options: [
    new Option('--status <status>', 'only those').choices([...certificateStatuses]),
    new Option('--expires-within <time>', 'only those that expire before this time, or within so long').argParser(
      makeReadMoment(session.io.now, 1),
    ),
    new Option('--issuer <id>', 'only those that this issuer signed'),
    limitOption(),
  ],
  examples: ['airunner certificate list build-7', 'airunner certs list --status active --expires-within 30d -o wide'],
  run: async ({ arguments: [principalId], options }) => {
    const client = await session.connect()
    const query = {
      principal_id: principalId,
      status: options.status as CertificateStatus,
      expires_before: options.expiresWithin as string,
      issuer_id: options.issuer as string,
    }
    await session.print().list(certificateView, client.pages<Certificate>(collection, query, options.limit))
  },
})

const getVerb = (session: Session): Verb => ({
  name: 'get',
  summary: 'show what the registry has on a certificate',
  arguments: [serialArgument()],
  examples: ['airunner certificate get 0197a1c2d3e4f5061728394a5b6c7d8e'],
  run: async ({ arguments: [serial] }) => {
    const client = await session.connect()
    await session.print().record(certificateView, await client.get<Certificate>(`${collection}/${serial}`))
  },
})

const revokeVerb = (session: Session): Verb => ({
  name: 'revoke',
  summary: 'revoke a certificate for good',
  description: 'Its connections are cut on every server. With key_compromise its key is never certified again.',
  arguments: [serialArgument()],
  options: [reasonOption(), yesOption()],
  examples: ['airunner certificate revoke 0197a1c2d3e4f5061728394a5b6c7d8e --reason key_compromise'],
  run: async ({ arguments: [serial], options }) => {
    await confirm(session.io, `Revoke the certificate ${serial} for good`, options.yes === true)
    const client = await session.connect()
    const certificate = await client.send<Certificate>({
      method: 'POST',
      path: `${collection}/${serial}/revoke`,
      body: { reason: options.reason },
    })
    await session.print().record(certificateView, certificate)
    await session.note(`Revoked ${certificate.serial_number} of ${certificate.principal_id}.`)
  },
})

const revokeManyVerb = (session: Session): Verb => ({
  name: 'revoke-many',
  summary: 'revoke many certificates at once',
  description:
    'All filters that are given must hold. Counts first and asks for the number to be typed. Never revokes your own certificate. The work is done by the server and goes on when this command is stopped.',
  options: [
    new Option('--principal <id>', 'those of this principal').argParser(readPrincipalId),
    new Option('--issuer <id>', 'those that this issuer signed'),
    new Option(
      '--issued-before <time>',
      'those issued before this time, or so long ago; with key_compromise also what was renewed from them',
    ).argParser(makeReadMoment(session.io.now, -1)),
    new Option('--all', 'every certificate but your own'),
    reasonOption(),
    new Option('--dry-run', 'count only'),
    yesOption(),
  ],
  examples: [
    'airunner certificate revoke-many --principal build-7 --reason privilege_withdrawn --dry-run',
    'airunner certificate revoke-many --issued-before 2026-11-01 --reason privilege_withdrawn',
  ],
  run: async ({ options }) => {
    const filters = {
      ...(options.principal === undefined ? {} : { principal_id: options.principal as string }),
      ...(options.issuer === undefined ? {} : { issuer_id: options.issuer as string }),
      ...(options.issuedBefore === undefined ? {} : { issued_before: options.issuedBefore as string }),
      ...(options.all === true ? { all: true as const } : {}),
    }
    if (Object.keys(filters).length === 0)
      throw usageError('no certificates are named', 'Give --principal, --issuer, --issued-before or --all.')
    const { revokeMany } = await import('../revoke-many.ts')
    const revocation = await revokeMany(session, {
      wish: { ...filters, reason: options.reason } as StartRevocation,
      dryRun: options.dryRun === true,
      yes: options.yes === true,
    })
    await session.print().record(revocationView, revocation)
  },
})

const renewVerb = (session: Session): Verb => ({
  name: 'renew',
  summary: 'renew the certificate you connect with',
  description:
    'Makes a new key, has it certified, uses the new certificate once, and only then replaces the files of the connection (or writes key.pem, cert.pem and ca.pem to --output-dir). Killed at any point it leaves a pair that works, and the next run goes on.',
  options: [
    new Option('--if-needed', 'only when two thirds of its life are over; exit 0 when there was nothing to do'),
    new Option('--output-dir <directory>', 'where the new files go instead'),
    validityOption('as long as the old one otherwise'),
    forceOption(),
  ],
  examples: ['airunner certificate renew', 'airunner certificate renew --if-needed   # from cron'],
  run: async ({ options }) => {
    const { renew } = await import('../renew.ts')
    const certificate = await renew(session, {
      ifNeeded: options.ifNeeded === true,
      ...(options.outputDir === undefined ? {} : { outputDir: options.outputDir }),
      ...(options.validity === undefined ? {} : { validity: options.validity }),
      force: options.force === true,
    })
    if (certificate !== undefined) await session.print().record(certificateView, certificate)
  },
})

export const certificateVerbs = (session: Session): Verb[] => [
  generateVerb(session),
  listVerb(session),
  getVerb(session),
  revokeVerb(session),
  revokeManyVerb(session),
  renewVerb(session),
  inspectVerb(session),
  verifyVerb(session),
]
