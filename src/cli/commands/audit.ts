import { Option } from 'commander'
import type { AuditEvent } from '../../wire/audit-events.ts'
import type { Verb } from '../noun.ts'
import { limitOption, makeReadMoment } from '../options.ts'
import type { Session } from '../session.ts'
import { auditView } from '../views.ts'
import { exportVerb, verifyVerb } from './audit-proof.ts'

const collection = '/v1/audit-events'

interface AuditFlags {
  since?: string
  until?: string
  actor?: string
  action?: string
  target?: string
  limit?: number
}

const filterOptions = (): Option[] => [
  new Option('--actor <id>', 'only what this principal, or join_token:ID, did'),
  new Option('--action <action>', 'only this, e.g. certificate.revoke'),
  new Option('--target <id>', 'only what was done to this principal or certificate'),
]

const filterOf = ({ actor, action, target }: AuditFlags) => ({ actor, action, target })

const list = (session: Session): Verb => ({
  name: 'list',
  summary: 'list what was done, newest first',
  description: 'Without --since: the last 24 hours.',
  options: [
    new Option('--since <time>', 'not earlier than this time, or so long ago').argParser(
      makeReadMoment(session.io.now, -1),
    ),
    new Option('--until <time>', 'not later than this time, or so long ago').argParser(
      makeReadMoment(session.io.now, -1),
    ),
    ...filterOptions(),
    limitOption(),
  ],
  examples: [
    'airunner audit list --since 2h --action certificate.revoke',
    'airunner audit list --since 2026-11-01 --until 2026-11-08 --target build-7 -o jsonl',
  ],
  run: async ({ options }) => {
    const flags = options as AuditFlags
    const client = await session.connect()
    const query = { since: flags.since, until: flags.until, ...filterOf(flags) }
    await session.print().list(auditView, client.pages<AuditEvent>(collection, query, flags.limit))
  },
})

const tail = (session: Session): Verb => ({
  name: 'tail',
  summary: 'show what is done from now on, as it happens',
  description:
    'Looks every 2 s, until it is interrupted. An outage of the server is waited out: nothing is left out or shown twice.',
  options: [
    new Option('--since <time>', 'begin with what was done since this time, or so long ago').argParser(
      makeReadMoment(session.io.now, -1),
    ),
    ...filterOptions(),
  ],
  examples: ['airunner audit tail', 'airunner audit tail --since 10m -o jsonl'],
  run: async ({ options }) => {
    const flags = options as AuditFlags
    const { followAudit } = await import('../audit-tail.ts')
    await followAudit(session, {
      ...(flags.since === undefined ? {} : { since: flags.since }),
      filter: filterOf(flags),
    })
  },
})

export const auditVerbs = (session: Session): Verb[] => [
  list(session),
  tail(session),
  exportVerb(session),
  verifyVerb(session),
]
