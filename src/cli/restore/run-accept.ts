import { toRfc3339 } from '../../core/time.ts'
import { CliError, exitCode } from '../errors.ts'
import { confirm, requireConfirmable } from '../prompt.ts'
import type { Session } from '../session.ts'
import { memoryName, type PlaceFlags, placeOf } from './place.ts'

export interface AcceptFlags extends PlaceFlags {
  reason: string
  yes?: true
}

/** `airunner restore accept`: these are the tables that were there before; only the memory of them was lost. */
export const runAccept = async (session: Session, flags: AcceptFlags): Promise<void> => {
  const { io, note } = session
  const place = placeOf(flags, io.env)
  requireConfirmable(io, 'Accepting the tables as they are', flags.yes === true)
  const [{ withStore, restoreAttribution }, { beginEpoch }] = await Promise.all([
    import('../../authority/restore/store-access.ts'),
    import('../../authority/restore/begin-epoch.ts'),
  ])
  await withStore(place, async (access) => {
    if (access.memory === undefined)
      throw new CliError(exitCode.configuration, 'no memory of the tables is configured', {
        next: 'Give --store-epoch-file or --store-epoch-parameter as the servers have it.',
      })
    const { verdict } = await access.state()
    if (verdict?.state === 'agree') return note('Nothing to do: tables and memory agree.')
    await note('If the tables were restored, everything that was revoked since the copy is let in again.')
    await confirm(io, 'The tables were surely not restored', flags.yes === true)
    const why = verdict?.state === 'held' ? { held: verdict.why } : {}
    const epoch = await beginEpoch(
      access,
      restoreAttribution(),
      'restore.accept',
      { reason: flags.reason, ...why },
      io.now(),
    )
    await note(`Servers let in within seconds: ${memoryName(place)} is written.`)
    await session.print().record({ name: () => epoch ?? 'none' }, { epoch, accepted_at: toRfc3339(io.now()) })
  })
}

/** `airunner restore status`: what tables and memory say. */
export const runStatus = async (session: Session, flags: PlaceFlags): Promise<void> => {
  const place = placeOf(flags, session.io.env)
  const [{ withStore }, { heldReasons }] = await Promise.all([
    import('../../authority/restore/store-access.ts'),
    import('../../core/store-epoch.ts'),
  ])
  await withStore(place, async (access) => {
    const { inside, outside, verdict } = await access.state()
    const remembered = outside === 'unreadable' ? undefined : outside
    await session.print().record(
      { name: () => verdict?.state ?? 'unprotected' },
      {
        state: verdict?.state ?? 'unprotected',
        ...(verdict?.state === 'held' ? { why: verdict.why, reason: heldReasons[verdict.why] } : {}),
        memory: memoryName(place),
        tables_mark: inside?.number,
        tables_moved_at: inside && toRfc3339(inside.moved_at),
        remembered_mark: remembered?.number,
        remembered_moved_at: remembered && toRfc3339(remembered.moved_at),
      },
    )
  })
}
