import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { sha256Hex } from '../../core/bytes.ts'
import { toRfc3339 } from '../../core/time.ts'
import { issuerIdOf } from '../../pki/issuer.ts'
import { spkiOf } from '../../pki/keys.ts'
import type { Client } from '../client.ts'
import { CliError, exitCode, usageError } from '../errors.ts'
import type { Session } from '../session.ts'
import { atPlace, regionOf, withRefusals } from './place.ts'
import { planeOver } from './plane.ts'
import type { PrepareFlags } from './prepare-issuer.ts'

interface Prepared {
  certificate: X509Certificate
  found: boolean
  where: Record<string, string>
  next: string[]
}

const inVault = (session: Session, flags: PrepareFlags): Promise<Prepared> =>
  atPlace(session, flags as Parameters<typeof atPlace>[1], async (opened) => {
    const { prepareRootInVault } = await import('../../authority/rotation/vault-root.ts')
    const { certificate, found, written } = await prepareRootInVault({ ...opened, clock: Date.now })
    const { application, environment } = flags.caKeySecret as NonNullable<PrepareFlags['caKeySecret']>
    return {
      certificate,
      found,
      where: { ca_key_secret: `/${application}/${environment}/ca-key`, written: written.join(', ') },
      next: [
        'Servers read ca-cert within 5 minutes; their agents learn the new root then and say so. Give everybody else the new bundle: `airunner ca bundle --output-file ca-cert.pem`.',
        `When \`airunner ca list\` shows the root: \`airunner ca prepare --issuer --ca-key-secret /${application}/${environment}/ca-key\`.`,
      ],
    }
  })

/** Names for the new certificate of the server: those of the one it shows now. */
const namesShown = async (session: Session, client: Client) => {
  const { inspectServer } = await import('../inspect.ts')
  const { host, port } = client.connection.server
  const [leaf] = await inspectServer(host, port, session.io.signal)
  const names = (leaf?.subjectAltName ?? '').split(', ').map((each) => each.split(':'))
  const dns = names.flatMap(([kind, name = '']) => (kind === 'DNS' ? [name] : []))
  const ip = names.flatMap(([kind, name = '']) => (kind === 'IP Address' && isIP(name) === 4 ? [name] : []))
  const [hostname = host] = dns.includes(host) ? [host] : dns
  return { hostname, extra_names: { dns: dns.filter((each) => each !== hostname), ip } }
}

const inFiles = async (session: Session, flags: PrepareFlags): Promise<Prepared> => {
  const client = await session.connect()
  const plane = planeOver(client)
  const { prepareRootInFiles } = await import('../../authority/rotation/root-files.ts')
  const directory = resolve(flags.outputDir as string)
  const { certificate, files, found } = await prepareRootInFiles({
    directory,
    trustedPem: (await plane.bundle()).roots_pem,
    ...(await namesShown(session, client)),
    clock: Date.now,
  })
  const own = sha256Hex(certificate.raw)
  const used = (await plane.list()).find(({ root_sha256, activated_at }) => root_sha256 === own && activated_at)
  if (used !== undefined)
    throw new CliError(
      exitCode.conflict,
      `${files.caCert} is a root whose issuer ${used.issuer_id} has signed already`,
      {
        next: 'Its rotation is over: move the files to their place, or choose another --output-dir.',
      },
    )
  return {
    certificate,
    found,
    where: {
      ca_key_file: files.caKey,
      bundle_file: files.bundle,
      server_cert_file: files.serverCert,
      server_key_file: files.serverKey,
    },
    next: [
      `Put ${files.bundle} in the place of AIRUNNER_CA_CERT_FILE on every server and send SIGHUP; agents learn the new root then and say so. Everybody else needs that file as well.`,
      `When \`airunner ca list\` shows the root: \`airunner ca prepare --issuer --ca-key-file ${files.caKey} --output-dir ${directory}\`.`,
      `The server shows ${files.serverCert} only after the new issuer is active.`,
    ],
  }
}

/** `airunner ca prepare --root`. */
export const prepareRoot = async (session: Session, flags: PrepareFlags): Promise<void> => {
  if (flags.caKeyFile !== undefined || flags.kmsIssuerKey !== undefined)
    throw usageError(
      `${flags.caKeyFile === undefined ? '--kms-issuer-key' : '--ca-key-file'} goes with --issuer`,
      'A new root is signed by itself, with a key that is made here.',
    )
  if ((flags.outputDir === undefined) === (flags.caKeySecret === undefined))
    throw usageError('give one of --output-dir and --ca-key-secret', 'That is where the key of the new root goes.')
  const { certificate, found, where, next } = await withRefusals(regionOf(session, flags), () =>
    flags.caKeySecret === undefined ? inFiles(session, flags) : inVault(session, flags),
  )
  const id = issuerIdOf(spkiOf(certificate.publicKey))
  await session.print().record(
    { name: () => id },
    {
      issuer_id: id,
      kind: 'root',
      subject_dn: certificate.subject,
      sha256: sha256Hex(certificate.raw),
      expires_at: toRfc3339(new Date(certificate.validTo).getTime()),
      ...where,
    },
  )
  await session.note(found ? `Found ${id}: a run before has made it.` : `Made the root ${id}.`)
  for (const line of next) await session.note(line)
}
