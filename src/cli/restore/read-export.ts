import { makeVerifier, type VerifyResult } from '../../core/audit-verify.ts'
import { type ExportedEvent, type ExportHead, readExportedLine } from '../../core/exported-event.ts'
import { minute, toRfc3339 } from '../../core/time.ts'
import { CliError, exitCode } from '../errors.ts'
import { linesOf } from '../lines.ts'

export interface ReadExport {
  events: ExportedEvent[]
  until: number
  /** Events that were there and are lost. */
  missing: number
  /** Ids of the last events from before the restore point: restored tables have them, if they are of the same plane. */
  earlier: string[]
  /** What the file proves of itself. */
  proof: VerifyResult
}

/** An event has at most some 100 KB; a checkpoint at most an item of the table, 400 KB. Characters. */
const longestLine = 1 << 20

const damaged = (path: string, line: number, what: string) =>
  new CliError(exitCode.failed, `${path}, line ${line}: ${what}`, {
    next: 'Make the export again, or get another copy; `airunner audit verify` says what is wrong with one. Nothing was changed.',
  })

/** Clocks differ: what happened so shortly before the restore point may be lost with what came after. Milliseconds. */
const surelyBefore = minute
const mostEarlier = 100

/** So many of what is wrong with a file are shown. */
const mostShown = 20

const notProved = (path: string, { findings, found }: VerifyResult) => {
  const why = findings
    .slice(0, mostShown)
    .map(({ line, message }) => (line === undefined ? message : `line ${line}: ${message}`))
  if (found > why.length) why.push(`and ${found - why.length} more`)
  return new CliError(exitCode.failed, `${path} does not hold`, {
    why: why.join('\n'),
    next: 'Use another copy, or an older export that holds; without --audit-key it is taken as it is. Nothing was changed.',
  })
}

const latestOf = (events: ExportedEvent[]): ExportedEvent[] =>
  events.toSorted((one, other) => other.at - one.at).slice(0, mostEarlier)

/**
 * Reads what an export of the audit says since `from`. It must reach from there to after `takenAt` (Unix ms), and be whole to
 * its last line: half an export would leave something in that was revoked. With audit keys (SubjectPublicKeyInfo DER) it must
 * prove itself; without, `proof` says what is wrong with it.
 */
export const readExport = async (
  path: string,
  {
    from,
    takenAt,
    wanted,
    keys,
    now,
  }: {
    from: number
    takenAt: number
    wanted: (event: ExportedEvent) => boolean
    keys: Uint8Array[]
    now: number
  },
): Promise<ReadExport> => {
  const read: Omit<ReadExport, 'proof' | 'earlier'> = { events: [], until: 0, missing: 0 }
  let earlier: ExportedEvent[] = []
  const verifier = makeVerifier({ keys, pins: [], now })
  let ended = false
  let head: ExportHead | undefined
  let number = 0
  for await (const text of linesOf(path, longestLine)) {
    number += 1
    verifier.line(text)
    const line = text.length < longestLine ? readExportedLine(text) : undefined
    if (number === 1) {
      if (line === undefined || !('head' in line))
        throw damaged(path, 1, 'no export of the audit (`airunner audit export`) begins so')
      head = line.head
    } else if (ended || line === undefined || 'head' in line)
      throw damaged(path, number, ended ? 'it stands after the end' : 'no line of an export, or half of one')
    else if ('end' in line) ended = true
    else if ('missing' in line) read.missing += 1
    else if ('event' in line) {
      read.until = Math.max(read.until, line.event.at)
      if (line.event.at < takenAt - surelyBefore) earlier.push(line.event)
      if (earlier.length > 2 * mostEarlier) earlier = latestOf(earlier)
      if (line.event.at >= from && wanted(line.event)) read.events.push(line.event)
    }
  }
  if (head === undefined) throw damaged(path, 1, 'the file is empty')
  const proof = verifier.finish()
  if (keys.length > 0 && proof.found > 0) throw notProved(path, proof)
  const [cut] = proof.findings.filter(({ kind, line }) => kind === 'truncated' && line === undefined)
  if (!ended || cut !== undefined) throw damaged(path, number, cut?.message ?? 'it has no last line: it was cut off')
  if (Number.isFinite(head.until)) read.until = head.until
  if (head.since !== undefined && head.since > takenAt)
    throw new CliError(exitCode.conflict, `${path} begins at ${toRfc3339(head.since)}, after the restore point`, {
      next: 'Make an export that begins before it: `airunner audit export --since TIME`. Nothing was changed.',
    })
  if (read.until < takenAt)
    throw new CliError(exitCode.conflict, `${path} ends at ${toRfc3339(read.until)}, before the restore point`, {
      why: 'It knows nothing of what was taken away since.',
      next: 'Use a later export, or --revoke-issued-before. Nothing was changed.',
    })
  return { ...read, earlier: latestOf(earlier).map(({ event_id }) => event_id), proof }
}
