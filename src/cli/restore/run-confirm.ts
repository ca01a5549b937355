import type { StoreAccess } from '../../authority/restore/store-access.ts'
import { minute, toRfc3339 } from '../../core/time.ts'
import { CliError, exitCode, usageError } from '../errors.ts'
import { confirm, confirmCount, requireConfirmable } from '../prompt.ts'
import type { Session } from '../session.ts'
import { memoryName, type PlaceFlags, placeOf } from './place.ts'
import { type ReadExport, readExport } from './read-export.ts'

export interface ConfirmFlags extends PlaceFlags {
  takenAt: string
  auditExport?: string
  auditKey?: string[]
  revokeIssuedBefore?: string | true
  dryRun?: true
  yes?: true
}

/** Clocks differ, and a copy takes its time: what happened so long before the restore point is looked at as well. */
const margin = 10 * minute

/** How far the export can be relied on. */
const proofLines = ({ proof }: ReadExport): string[] => {
  if (!proof.keys_trusted) {
    const [first] = proof.findings
    const wrong =
      first === undefined ? 'It agrees with itself' : `What is wrong with it (${proof.found}): ${first.message}`
    return [wrong.replace(/\.?$/, '. Whether your servers have written it was not looked at: give --audit-key.')]
  }
  const { proved_until, not_covered } = proof
  return [`Proved by the audit key to ${proved_until}; ${not_covered} events after that are under no checkpoint.`]
}

/**
 * Refuses the export of another plane, which would have servers let in what was taken away in this one: some of what it says
 * of the time before the restore point must stand in the tables. A file that the audit key proves needs no such look.
 */
const demandOwn = async (
  { registry }: StoreAccess,
  { earlier, proof }: ReadExport,
  path: string,
  note: Session['note'],
): Promise<void> => {
  if (proof.keys_trusted) return
  if (earlier.length === 0)
    return note('It holds nothing from before the restore point by which to see that it is of these tables.')
  if ((await registry.auditChains.eventsByIds(earlier)).size > 0) return
  throw new CliError(exitCode.conflict, `${path} is of other tables`, {
    why: `None of the last ${earlier.length} events that it has from before the restore point are in these.`,
    next: 'Use the export of this plane, or see that --taken-at is right; --audit-key with the key of this plane proves it. Nothing was changed.',
  })
}

/** `airunner restore confirm`: does again what restored tables have forgotten, then lets servers admit. */
export const runConfirm = async (session: Session, flags: ConfirmFlags): Promise<void> => {
  const { io, note } = session
  const place = placeOf(flags, io.env)
  const takenAt = Date.parse(flags.takenAt)
  const now = io.now()
  if (takenAt > now)
    throw usageError('--taken-at lies in the future', 'It is the time that the tables were restored to.')
  if ((flags.auditExport === undefined) === (flags.revokeIssuedBefore === undefined))
    throw usageError(
      'what was taken away since is not said',
      'Give --audit-export FILE, or --revoke-issued-before where there is no export: then everybody has to enrol again.',
    )
  if (flags.auditKey !== undefined && flags.auditExport === undefined)
    throw usageError('--audit-key verifies an export', 'Give it with --audit-export FILE.')
  const dryRun = flags.dryRun === true
  if (!dryRun) requireConfirmable(io, 'Confirming a restore', flags.yes === true)

  const [{ withStore }, { confirmRestore }, { isOfInterest }, { readAuditKey }] = await Promise.all([
    import('../../authority/restore/store-access.ts'),
    import('../../authority/restore/confirm.ts'),
    import('../../authority/restore/reapply-export.ts'),
    import('../audit-file.ts'),
  ])
  const keys = await Promise.all((flags.auditKey ?? []).map(readAuditKey))
  // 1. The whole export is read, and proved, before anything is changed.
  const read =
    flags.auditExport === undefined
      ? undefined
      : await readExport(flags.auditExport, { from: takenAt - margin, takenAt, wanted: isOfInterest, keys, now })
  if (read !== undefined) {
    await note(
      `${flags.auditExport}: ${read.events.length} events since ${toRfc3339(takenAt - margin)}, to ${toRfc3339(read.until)}.`,
    )
    for (const line of proofLines(read)) await note(line)
    if (read.missing > 0) await note(`${read.missing} events are missing in it; what they said is not done again.`)
  }
  const before = flags.revokeIssuedBefore
  const how = read ?? { issued_before: typeof before === 'string' ? Date.parse(before) : now }

  await withStore(place, async (access) => {
    if (read !== undefined) await demandOwn(access, read, flags.auditExport as string, note)
    const { verdict } = await access.state()
    if (verdict === undefined)
      await note('No memory of the tables is configured, so servers did not notice the restore; docs/restore.md.')
    else if (verdict.state !== 'held')
      await note(`Servers do not hold admission: tables and ${memoryName(place)} agree. They are treated as restored.`)
    const wish = { taken_at: takenAt, how, clock: io.now }
    // 2. What it would do is counted first.
    const ask = flags.yes !== true || dryRun
    const counted = ask ? await confirmRestore(access, { ...wish, dry_run: true }) : undefined
    if (counted !== undefined && !dryRun) {
      for (const [what, number] of Object.entries(counted.done))
        if (number > 0) await note(`  ${what.replaceAll('_', ' ')}: ${number}`)
      if (read === undefined) {
        const many = counted.done.certificates_revoked
        await confirmCount(io, `This revokes ${many} certificates for good, admins' as well`, many, false)
      } else await confirm(io, 'Do this again on the restored tables, and let servers admit', false)
    }
    // 3. Do it, and end the hold.
    const ended = counted !== undefined && dryRun ? counted : await confirmRestore(access, { ...wish, dry_run: false })
    for (const line of ended.by_hand) await note(`By hand: ${line}.`)
    if (dryRun) await note('Nothing was changed.')
    else if (ended.epoch !== undefined) await note(`Servers let in within seconds: ${memoryName(place)} is written.`)
    await session
      .print()
      .record(
        { name: () => ended.epoch ?? 'none' },
        { taken_at: toRfc3339(takenAt), dry_run: dryRun, ...ended.done, by_hand: ended.by_hand, epoch: ended.epoch },
      )
  })
}
