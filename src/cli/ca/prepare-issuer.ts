import { resolve } from 'node:path'
import { readText } from '../../client/files.ts'
import type { Authority } from '../../wire/authorities.ts'
import { usageError } from '../errors.ts'
import type { Session } from '../session.ts'
import { atPlace, type PlaceFlags, regionOf, withRefusals } from './place.ts'
import { type PlaneCalls, planeOver } from './plane.ts'

export interface PrepareFlags extends PlaceFlags {
  issuer?: true
  root?: true
  caKeyFile?: string
  kmsIssuerKey?: string
  outputDir?: string
}

/** Nothing of it is a secret: the record, and where its parts are. */
interface Prepared {
  authority: Authority
  found: boolean
  where: Record<string, string>
  next: string[]
}

type KmsKey = Awaited<ReturnType<typeof import('../../authority/bootstrap/open-deployment.ts').openIssuerKey>>

const withKmsKey = async <T>(
  flags: PrepareFlags,
  region: string | undefined,
  run: (kms: KmsKey | undefined) => Promise<T>,
): Promise<T> => {
  if (flags.kmsIssuerKey === undefined) return run(undefined)
  const { openIssuerKey } = await import('../../authority/bootstrap/open-deployment.ts')
  const kms = await openIssuerKey(flags.kmsIssuerKey, region)
  try {
    return await run(kms)
  } finally {
    await kms.close()
  }
}

const activation = (id: string) =>
  `Then \`airunner ca get ${id}\` shows which servers have its key, and \`airunner ca activate ${id}\` has it sign.`

const inVault = (session: Session, flags: PrepareFlags, plane: PlaneCalls): Promise<Prepared> =>
  atPlace(session, flags as Parameters<typeof atPlace>[1], async (opened, region) => {
    const { prepareIssuerInVault } = await import('../../authority/rotation/vault-issuer.ts')
    const { authority, found, written } = await withKmsKey(flags, region, (kms) =>
      prepareIssuerInVault({ ...opened, plane, clock: Date.now, ...(kms === undefined ? {} : { kms }) }),
    )
    const key = authority.kms_key_id
    return {
      authority,
      found,
      where: written.length === 0 ? {} : { written: written.join(', ') },
      next: [
        key === undefined
          ? 'Servers know the issuer at once. Its key, in the secret issuer-key, reaches a task when it starts: `aws ecs update-service --cluster CLUSTER --service SERVICE --force-new-deployment`.'
          : `Servers know the issuer at once and open the key ${key} by themselves: their task role must be allowed kms:GetPublicKey and kms:Sign with it.`,
        activation(authority.issuer_id),
      ],
    }
  })

const inFiles = async (
  session: Session,
  flags: PrepareFlags,
  plane: PlaneCalls,
  hostname: string,
): Promise<Prepared> => {
  const { prepareIssuerInFiles } = await import('../../authority/rotation/issuer-files.ts')
  const { readRootKey } = await import('../../authority/rotation/root-key.ts')
  const { readCertificateChain } = await import('../../pki/trust.ts')
  const text = await readText(flags.caKeyFile as string, 'key of the root')
  const root = readRootKey(text, readCertificateChain((await plane.bundle()).roots_pem))
  const made = await withKmsKey(flags, regionOf(session, flags), (kms) =>
    prepareIssuerInFiles({
      plane,
      root,
      hostname,
      directory: resolve(flags.outputDir ?? '.'),
      clock: Date.now,
      ...(kms === undefined ? {} : { kms }),
    }),
  )
  const { authority, found, certificateFile, keyFile } = made
  return {
    authority,
    found,
    where: { certificate_file: certificateFile, ...(keyFile === undefined ? {} : { key_file: keyFile }) },
    next: [
      keyFile === undefined
        ? `Servers know the issuer at once and open the key ${authority.kms_key_id} by themselves: they must be allowed kms:GetPublicKey and kms:Sign with it.`
        : `Servers know the issuer at once. On each of them add ${certificateFile} to AIRUNNER_ISSUER_CERT_FILE, then ${keyFile} to AIRUNNER_ISSUER_KEY_FILE (both at the end, in this order), and send SIGHUP.`,
      activation(authority.issuer_id),
    ],
  }
}

/** `airunner ca prepare --issuer`. */
export const prepareIssuer = async (session: Session, flags: PrepareFlags): Promise<void> => {
  if ((flags.caKeyFile === undefined) === (flags.caKeySecret === undefined))
    throw usageError('give one of --ca-key-file and --ca-key-secret', 'The key of the root signs the new issuer.')
  if (flags.caKeyFile !== undefined && flags.outputDir === undefined)
    throw usageError('--ca-key-file goes with --output-dir', 'That is where the new issuer’s files go.')
  const client = await session.connect()
  const plane = planeOver(client)
  const { authority, found, where, next } = await withRefusals(regionOf(session, flags), () =>
    flags.caKeySecret === undefined
      ? inFiles(session, flags, plane, client.connection.server.host)
      : inVault(session, flags, plane),
  )
  const { certificate_pem: _, ...about } = authority
  await session.print().record({ name: () => authority.issuer_id }, { ...about, ...where })
  await session.note(
    found ? `Found ${authority.issuer_id}: a run before has made it.` : `Prepared ${authority.issuer_id}.`,
  )
  for (const line of next) await session.note(line)
}
