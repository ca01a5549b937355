import {
  auditDaysKept,
  type ChainedEvent,
  type Checkpoint,
  hashOfCheckpoint,
  type MissingEvent,
  noHash,
  type PlainEvent,
} from './audit-chain.ts'
import { type Finding, makeFindings } from './audit-findings.ts'
import { type ExportEnd, type ExportHeader, readExportLine } from './audit-lines.ts'
import { are, compareHead, follow, makeTrack, span, type Track } from './audit-track.ts'
import { makeCheckpointTrust, nameOf } from './audit-trust.ts'
import { sha256Hex } from './bytes.ts'
import { timeOfId } from './ids.ts'
import { day, minute, toRfc3339 } from './time.ts'

export interface VerifyOptions {
  /** Public halves of the audit keys that are trusted, SubjectPublicKeyInfo DER. Empty: those that the file names itself. */
  keys: Uint8Array[]
  /** Checkpoints from elsewhere, such as the newest of the bucket. */
  pins: Checkpoint[]
  /** Unix milliseconds. */
  now: number
}

export interface VerifyResult {
  findings: Finding[]
  /** How many there are; `findings` holds the first thousand. */
  found: number
  notes: string[]
  events: number
  checkpoints: number
  chains: number
  /** The time of the first and of the last good checkpoint. */
  proved_from?: string
  proved_until?: string
  /** Events after the last checkpoint of their chain. */
  not_covered: number
  /** SHA-256 of the SubjectPublicKeyInfo of each key that signed. */
  keys: string[]
  /** Whether those keys were named by the caller; else the file only agrees with itself. */
  keys_trusted: boolean
}

/** What has expired is deleted within days, not at once. */
const slackOfExpiry = 5 * day
/** An event this much older than the last checkpoint should have been under one. */
const coveredWithin = 15 * minute

/** Follows an export line by line; holds of it what the ends of its chains take. */
export const makeVerifier = ({ keys, pins, now }: VerifyOptions) => {
  const found = makeFindings()
  const tracks = new Map<string, Track>()
  const pinned = new Map<string, { seq: number; hash: string; source: string }[]>()
  let header: ExportHeader | undefined
  let end: ExportEnd | undefined
  let first: Checkpoint | undefined
  let provedFrom: string | undefined
  let provedUntil: string | undefined
  const counted: ExportEnd = { events: 0, checkpoints: 0, missing: 0, unlinked: 0 }
  const strays: { line: number; event: PlainEvent }[] = []
  let older = 0
  let expired = 0
  let afterEnd = false

  /** Unix ms: what is older may have expired when the file was made. What the file says of itself only makes it stricter. */
  const expiredBefore = (): number =>
    Math.min(now, Date.parse(header?.exported_at ?? '')) -
    Math.max(header?.kept_days ?? 0, auditDaysKept) * day +
    slackOfExpiry

  const trust = makeCheckpointTrust({ keys, found, header: () => header, expiredBefore })
  for (const pin of pins) {
    const source = `${nameOf(pin)} from outside of the file`
    if (trust.vouchesFor(pin, source))
      for (const head of pin.heads) pinned.set(head.chain, [...(pinned.get(head.chain) ?? []), { ...head, source }])
  }

  /**
   * Whether an event may have been deleted for its age. Nothing vouches for its name where its content is not there; but it
   * is no older than its chain, whose name others vouch for, and not much older than the last checkpoint that lacks it.
   */
  const mayHaveExpired = ({ event_id, chain }: ChainedEvent | MissingEvent): boolean => {
    const last = trust.last()
    const notBefore = last === undefined ? 0 : Date.parse(last.at) - coveredWithin
    return Math.max(timeOfId(event_id), timeOfId(chain), notBefore) < expiredBefore()
  }

  const begin = (event: ChainedEvent | MissingEvent): Track => {
    const { chain, seq, prev_hash, event_id } = event
    const track = makeTrack(chain, { seq: 0, hash: noHash })
    tracks.set(chain, track)
    if (seq <= 1) return track
    // Numbers go on from where the file begins, be it that the rest has expired or that it was cut away.
    Object.assign(track, { seq: seq - 1, hash: prev_hash })
    if (mayHaveExpired(event)) expired++
    else if (header?.since !== undefined && trust.last() === undefined)
      found.notes.push(`Chain ${chain} begins at number ${seq}: no checkpoint says what was before.`)
    else
      found.add(
        'truncated',
        `${span(1, seq - 1)} of chain ${chain} ${are(1, seq - 1)} missing: the file begins with event ${event_id}, and nothing says what was before.`,
      )
    return track
  }

  const checkPins = (track: Track): void => {
    for (const pin of pinned.get(track.chain) ?? [])
      if (pin.seq === track.seq && pin.hash !== track.hash)
        found.add(
          'rewritten',
          `${pin.source} knows another number ${pin.seq} of chain ${track.chain}: it was rewritten there or before.`,
        )
  }

  const takeEvent = (event: ChainedEvent | MissingEvent, own: string | undefined): void => {
    const track = tracks.get(event.chain) ?? begin(event)
    follow(track, event as ChainedEvent, own, found)
    checkPins(track)
  }

  const takeMissing = (missing: MissingEvent): void => {
    takeEvent(missing, undefined)
    const { event_id, seq, chain } = missing
    const at = timeOfId(event_id)
    if (mayHaveExpired(missing)) expired++
    else
      found.add(
        'missing',
        `event ${event_id} of ${toRfc3339(at)} (number ${seq} of chain ${chain}) is missing: the chain knows it, and the table has it no more.`,
      )
  }

  const takeCheckpoint = (checkpoint: Checkpoint): void => {
    const name = nameOf(checkpoint)
    const vouches = trust.vouchesFor(checkpoint, name)
    const pin = pins.find(({ n }) => n === checkpoint.n)
    if (pin !== undefined && hashOfCheckpoint(pin) !== hashOfCheckpoint(checkpoint))
      found.add('rewritten', `${name} is not the checkpoint ${pin.n} that came from outside of the file.`)
    if (trust.order(checkpoint) === 'odd') return
    for (const head of checkpoint.heads) {
      let track = tracks.get(head.chain)
      if (track === undefined) {
        // The base of a part: what it says was before. Later, a chain that has events and is not in the file.
        const isBase = first === undefined && checkpoint.n > 1
        track = makeTrack(head.chain, isBase ? head : { seq: 0, hash: noHash })
        tracks.set(head.chain, track)
      }
      compareHead(track, head, name, vouches, found)
      checkPins(track)
    }
    first ??= checkpoint
    trust.follow(checkpoint)
    if (!vouches) return
    provedFrom ??= checkpoint.at
    provedUntil = checkpoint.at
  }

  const line = (text: string): void => {
    found.line++
    if (end !== undefined && !afterEnd) {
      afterEnd = true
      found.add('inserted', `line ${found.line} stands after the end of the export.`)
    }
    const read = readExportLine(text)
    if (found.line === 1 && read?.kind !== 'header')
      found.add('malformed', 'line 1 is not the head of an export in the format airunner-audit/1.')
    if (read === undefined) {
      if (found.line > 1)
        found.add('malformed', `line ${found.line} is no line of an export: it was altered, or cut off.`)
      return
    }
    if (read.kind === 'header') {
      if (header === undefined && found.line === 1) {
        header = read.header
        if (header.kept_days < auditDaysKept)
          found.add(
            'altered',
            `line 1 says that events are kept for ${header.kept_days} days, and it is ${auditDaysKept}: it was altered.`,
          )
        if (header.since !== undefined)
          found.notes.push(
            `The file says that it is a part, from ${header.since} on: it proves nothing of the time before.`,
          )
      } else found.add('inserted', `line ${found.line} is a second head.`)
    } else if (read.kind === 'event') {
      counted.events++
      takeEvent(read.event, sha256Hex(read.hashed))
    } else if (read.kind === 'missing') {
      counted.missing++
      takeMissing(read.missing)
    } else if (read.kind === 'unlinked') {
      counted.unlinked++
      // An export has them at its end, where it is known what they are older than.
      if (first?.n === 1 && timeOfId(read.event.event_id) < Date.parse(first.at) - coveredWithin) older++
      else if (strays.length < 1000) strays.push({ line: found.line, event: read.event })
    } else if (read.kind === 'checkpoint') {
      counted.checkpoints++
      takeCheckpoint(read.checkpoint)
    } else end = read.end
  }

  /** Call it after the last line. */
  const finish = (): VerifyResult => {
    if (end === undefined)
      found.add('truncated', 'the file has no last line: it was cut off, or its export never ended.', 'nowhere')
    else
      for (const [what, number] of Object.entries(counted))
        if (end[what as keyof ExportEnd] !== number)
          found.add(
            number < end[what as keyof ExportEnd] ? 'truncated' : 'inserted',
            `the last line counts ${end[what as keyof ExportEnd]} lines of the kind ${what}, the file has ${number}.`,
            'nowhere',
          )
    trust.finish()
    const last = trust.last()
    const lastAt = last === undefined ? undefined : Date.parse(last.at)
    let notCovered = 0
    for (const track of tracks.values()) {
      for (const pin of pinned.get(track.chain) ?? [])
        if (pin.seq > track.seq)
          found.add(
            'truncated',
            `${span(track.seq + 1, pin.seq)} of chain ${track.chain} ${are(track.seq + 1, pin.seq)} missing: ${pin.source} counts ${pin.seq}.`,
            'nowhere',
          )
      for (const { from, to, why } of track.gaps)
        found.add('missing', `${span(from, to)} of chain ${track.chain} ${are(from, to)} missing: ${why}.`, 'nowhere')
      notCovered += track.proved === 0 ? track.events : Math.max(0, track.seq - track.proved)
      const { unprovedSince, unprovedUntil } = track
      if (lastAt === undefined || unprovedSince === undefined || unprovedSince >= lastAt - coveredWithin) continue
      if (first?.n === 1 && track.proved === 0 && unprovedUntil < Date.parse(first.at))
        found.notes.push(
          `Chain ${track.chain} ended before the first checkpoint: nothing vouches for its ${track.events} events.`,
        )
      else
        found.add(
          'unproved',
          `${span(track.proved + 1, track.seq)} of chain ${track.chain} ${are(track.proved + 1, track.seq)} under no checkpoint, and older than the last one: put in by somebody, or without the checkpoints that go with it.`,
          'nowhere',
        )
    }
    for (const [chain, heads] of pinned)
      for (const { seq, source } of tracks.has(chain) ? [] : heads)
        found.add('truncated', `chain ${chain} is missing: ${source} counts ${seq} events of it.`, 'nowhere')
    for (const { line: at, event } of strays) {
      const when = timeOfId(event.event_id)
      if (lastAt !== undefined && when > lastAt - coveredWithin) notCovered++
      else {
        found.line = at
        found.add(
          'inserted',
          `event ${event.event_id} of ${event.at} is in the table and in no chain: it was inserted, or lost its link.`,
        )
      }
    }
    if (older > 0) found.notes.push(`${older} events are older than the first checkpoint, and in no chain.`)
    if (expired > 0)
      found.notes.push(
        `${expired} events or beginnings of chains are not here: they were older than ${header?.kept_days} days.`,
      )
    if (last === undefined)
      found.add('unproved', 'the file has no checkpoint: nothing says that it was not rewritten as a whole.', 'nowhere')
    else {
      const age = Date.parse(header?.exported_at ?? '') - (lastAt as number)
      if (age > coveredWithin)
        found.notes.push(
          `The last checkpoint is ${Math.round(age / minute)} minutes older than the export: what was cut off behind it does not show without a newer one from the bucket.`,
        )
    }
    return {
      findings: found.findings,
      found: found.total(),
      notes: found.notes,
      events: counted.events,
      checkpoints: counted.checkpoints,
      chains: tracks.size,
      ...(provedFrom === undefined ? {} : { proved_from: provedFrom }),
      ...(provedUntil === undefined ? {} : { proved_until: provedUntil }),
      not_covered: notCovered,
      keys: trust.keysSeen(),
      keys_trusted: keys.length > 0,
    }
  }

  return { line, finish }
}
