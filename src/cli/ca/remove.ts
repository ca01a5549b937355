import type { Authority } from '../../wire/authorities.ts'
import { CliError, exitCode } from '../errors.ts'
import { confirm } from '../prompt.ts'
import type { Session } from '../session.ts'
import { atPlace, type PlaceFlags, regionOf, withRefusals } from './place.ts'
import { type PlaneCalls, planeOver, rotationOf } from './plane.ts'
import { withStragglers } from './stragglers.ts'

export interface RemoveFlags extends PlaceFlags {
  force?: true
  reason?: string
  tasksReplaced?: true
  yes?: true
}

const withoutPem = ({ certificate_pem: _, ...about }: Authority) => about
const print = (session: Session, authority: Authority) =>
  session.print().record({ name: () => authority.issuer_id }, withoutPem(authority))

/** The same command again, for what is left to do. */
const again = (id: string, { caKeySecret }: RemoveFlags): string =>
  `airunner ca remove ${id} -y${caKeySecret === undefined ? '' : ` --ca-key-secret /${caKeySecret.application}/${caKeySecret.environment}/ca-key`}`

/** Takes what is left of a removed issuer from where servers read. */
const cleanUp = async (
  session: Session,
  flags: RemoveFlags,
  plane: PlaneCalls,
  { issuer_id: id, kms_key_id: kms }: Authority,
): Promise<void> => {
  const { written, waitsFor } = await withRefusals(regionOf(session, flags), () =>
    atPlace(session, flags as Parameters<typeof atPlace>[1], async (opened) => {
      const { withdrawIssuer } = await import('../../authority/rotation/withdraw-issuer.ts')
      const { startedBefore } = await import('../../authority/rotation/started-before.ts')
      const rotation = rotationOf(await plane.list())
      return withdrawIssuer(
        {
          ...opened,
          rotation,
          startedBefore:
            flags.tasksReplaced === true ? async () => [] : startedBefore(opened.registry.leases, Date.now),
          clock: Date.now,
        },
        id,
      )
    }),
  )
  if (written.length > 0) await session.note(`Taken out of ${written.join(', ')}.`)
  if (waitsFor.length === 0) return session.note('Nothing is left of it where servers read.')
  await session.note(
    `Servers may still hold its key: ${waitsFor.join(', ')}. ${kms === undefined ? '' : `Take ${kms} out of AIRUNNER_ISSUER_KMS_KEY_ID if it is there. `}Let the tasks be replaced, and a few minutes later run this again: \`${again(id, flags)}\` takes its certificate out of issuer-cert.`,
  )
}

const removeIssuer = async (
  session: Session,
  flags: RemoveFlags,
  plane: PlaneCalls,
  { issuer_id: id, state }: Authority,
): Promise<void> => {
  if (state !== 'removed') {
    const { rollout } = await plane.get(id)
    const count = rollout?.active_certificates ?? 0
    const many = `${rollout?.active_certificates_complete === false ? 'more than ' : ''}${count}`
    const what = count === 0 ? 'no certificate of it is active' : `${many} active certificates are refused at once`
    await confirm(session.io, `Remove the issuer ${id}: ${what}`, flags.yes === true)
  }
  const body = {
    ...(flags.force === true ? { force: true } : {}),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
  }
  const removed = await plane.step(id, 'remove', body).catch((error: unknown) => {
    throw withStragglers(error, 'remove', id)
  })
  await print(session, removed)
  await session.note(`Removed ${id}: its certificates are refused from now on.`)
  if (flags.caKeySecret !== undefined) return cleanUp(session, flags, plane, removed)
  await session.note(
    'Take its key from where the servers read it, restart them or send SIGHUP, and then take its certificate away as well. In AWS --ca-key-secret does that.',
  )
}

/** A root is trusted by configuration alone: it goes from where servers read it, and no server can be asked to forget it. */
const removeRoot = async (
  session: Session,
  flags: RemoveFlags,
  { root, known }: { root: Authority; known: Authority[] },
): Promise<void> => {
  const id = root.issuer_id
  const below = known.filter(
    ({ kind, root_sha256: of, state }) => kind === 'issuer' && of === root.sha256 && state !== 'removed',
  )
  if (below.length > 0)
    throw new CliError(exitCode.conflict, `something still hangs on the root ${id}`, {
      why: below.map(({ issuer_id, state }) => `the issuer ${issuer_id} is ${state}`).join('\n'),
      next: 'Retire and remove these issuers first.',
    })
  if (flags.caKeySecret === undefined)
    throw new CliError(exitCode.conflict, `the root ${id} is trusted because the servers are configured so`, {
      why: 'Nothing but their own configuration makes a root trusted, or takes that away.',
      next: `\`airunner ca bundle --without ${id} --output-file FILE\` writes the bundle without it: put that in the place of AIRUNNER_CA_CERT_FILE on every server and send SIGHUP. In AWS: --ca-key-secret.`,
    })
  await confirm(session.io, `Remove the root ${id}: nothing below it is trusted any more`, flags.yes === true)
  const written = await withRefusals(regionOf(session, flags), () =>
    atPlace(session, flags as Parameters<typeof atPlace>[1], async (opened) => {
      const { withdrawRoot } = await import('../../authority/rotation/withdraw-root.ts')
      return withdrawRoot({ ...opened, known, rotation: rotationOf(known) }, id)
    }),
  )
  await print(session, root)
  await session.note(
    written.length === 0
      ? 'Nothing is left of it where servers read.'
      : `Taken out of ${written.join(', ')}; servers read that within 5 minutes. Its key stays in an earlier version of ca-key: delete that when nothing needs it.`,
  )
}

/** `airunner ca remove ID`. */
export const removeAuthority = async (session: Session, flags: RemoveFlags, id: string): Promise<void> => {
  const plane = planeOver(await session.connect())
  const known = await plane.list()
  const found = known.find(({ issuer_id }) => issuer_id === id)
  if (found === undefined)
    throw new CliError(exitCode.notFound, `there is no issuer or root ${id}`, {
      next: '`airunner ca list` shows what there is.',
    })
  if (found.kind === 'root') await removeRoot(session, flags, { root: found, known })
  else await removeIssuer(session, flags, plane, found)
}
