import { X509Certificate } from 'node:crypto'
import { Option } from 'commander'
import { configurationError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { gather, makeReadMoment, yesOption } from '../options.ts'
import { type PlaceFlags, placeOptions } from '../restore/place.ts'
import type { AcceptFlags } from '../restore/run-accept.ts'
import type { ConfirmFlags } from '../restore/run-confirm.ts'
import type { Session } from '../session.ts'

/** Runs what works on the tables themselves, with the rights of who runs it. */
const onTables = async (session: Session, flags: PlaceFlags, work: () => Promise<void>): Promise<void> => {
  // The authority's half needs what the server needs; the other commands run on Node 20 as well.
  if (!('validToDate' in X509Certificate.prototype))
    throw configurationError(`restore needs Node 24.21 or newer, and this is ${process.version}`)
  try {
    await work()
  } catch (error) {
    const { restoreRefusal } = await import('../restore/refusal.ts')
    throw restoreRefusal(error, flags.awsRegion ?? (session.io.env['AWS_REGION'] || undefined))
  }
}

const status = (session: Session): Verb => ({
  name: 'status',
  summary: 'whether the tables are those that servers remember',
  description: 'Works on the tables, not through a server: held servers let nobody in.',
  options: placeOptions(),
  examples: ['airunner restore status --environment prod --aws-region ap-southeast-2'],
  run: async ({ options }) => {
    const flags = options as PlaceFlags
    await onTables(session, flags, async () => (await import('../restore/run-accept.ts')).runStatus(session, flags))
  },
})

const confirmVerb = (session: Session): Verb => ({
  name: 'confirm',
  summary: 'take away again what restored tables have given back, then let servers admit',
  description:
    'Works on the restored tables with the rights of who runs it, for held servers let nobody in. With --audit-export, every revocation, suspension, deletion, activation, supersession, used or revoked join token, and changed join rule since --taken-at is done again; without an export, --revoke-issued-before revokes every certificate and join token and switches every join rule off. Done again, it changes nothing; cut off, it is run again. docs/restore.md has the drill.',
  options: [
    new Option('--taken-at <time>', 'the time that the tables were restored to')
      .makeOptionMandatory()
      .argParser(makeReadMoment(session.io.now, -1)),
    new Option(
      '--audit-export <file>',
      'what `airunner audit export` wrote, from before that time to the latest there is',
    ),
    new Option(
      '--audit-key <file>',
      'public half of the audit key, PEM: an export that it does not prove is refused; again for each key that was in use',
    ).argParser(gather),
    new Option(
      '--revoke-issued-before [time]',
      'instead: revoke all that was issued before; by default before now',
    ).argParser(makeReadMoment(session.io.now, -1)),
    new Option('--dry-run', 'say what would be done, change nothing'),
    yesOption(),
    ...placeOptions(),
  ],
  examples: [
    'airunner restore confirm --environment prod --aws-region ap-southeast-2 --taken-at 2026-11-21T07:00:00Z --audit-export audit.jsonl --audit-key audit-key.pub.pem --dry-run',
    'airunner restore confirm --taken-at 2026-11-21T07:00:00Z --revoke-issued-before',
  ],
  run: async ({ options }) => {
    const flags = options as ConfirmFlags
    await onTables(session, flags, async () => (await import('../restore/run-confirm.ts')).runConfirm(session, flags))
  },
})

const accept = (session: Session): Verb => ({
  name: 'accept',
  summary: 'say that the tables were not restored, and only the memory of them was lost or moved',
  options: [
    new Option('--reason <text>', 'why that is so; the audit keeps it').makeOptionMandatory(),
    yesOption(),
    ...placeOptions(),
  ],
  examples: ['airunner restore accept --environment prod --reason "the parameter was deleted by mistake"'],
  run: async ({ options }) => {
    const flags = options as AcceptFlags
    await onTables(session, flags, async () => (await import('../restore/run-accept.ts')).runAccept(session, flags))
  },
})

export const restoreVerbs = (session: Session): Verb[] => [status(session), confirmVerb(session), accept(session)]
