import { second } from '../core/time.ts'
import type { Revocation, StartRevocation } from '../wire/revocations.ts'
import type { Client } from './client.ts'
import { sleep, write } from './io.ts'
import { confirmCount, requireConfirmable } from './prompt.ts'
import type { Session } from './session.ts'

const endpoint = '/v1/revocations'
const pollInterval = second / 2

/** Shows how far it is: one line that moves on a terminal, a line per change elsewhere. */
const makeProgress = (session: Session) => {
  const { stderr } = session.io
  let last = ''
  return {
    show: async ({ state, revoked, matched, dry_run }: Revocation) => {
      const text = dry_run ? `Counting: ${matched}` : `Revoked so far: ${revoked} (${state})`
      if (text === last) return
      last = text
      await write(stderr, stderr.isTTY === true ? `\r\u001b[2K${text}` : `${text}\n`)
    },
    end: async () => {
      if (stderr.isTTY === true && last !== '') await write(stderr, '\r\u001b[2K')
    },
  }
}

/** Starts a revocation of many and waits for its end. It goes on by itself when we are stopped. */
const runToEnd = async (session: Session, client: Client, body: StartRevocation): Promise<Revocation> => {
  const progress = makeProgress(session)
  let revocation = await client.send<Revocation>({ method: 'POST', path: endpoint, body })
  try {
    while (revocation.state !== 'completed') {
      await progress.show(revocation)
      await sleep(pollInterval, session.io.signal)
      revocation = await client.get<Revocation>(`${endpoint}/${revocation.revocation_id}`)
    }
  } catch (error) {
    await progress.end()
    if (body.dry_run !== true)
      await session.note(
        `The server goes on with it: \`airunner api GET ${endpoint}/${revocation.revocation_id}\` shows how far it is.`,
      )
    throw error
  }
  await progress.end()
  return revocation
}

export interface RevokeManyOptions {
  wish: StartRevocation
  dryRun: boolean
  yes: boolean
}

/** Counts what would be revoked, has the number typed, and revokes. */
export const revokeMany = async (session: Session, { wish, dryRun, yes }: RevokeManyOptions): Promise<Revocation> => {
  if (!dryRun) requireConfirmable(session.io, 'Revoking many certificates', yes)
  const client = await session.connect()
  if (!dryRun && yes) return runToEnd(session, client, wish)
  const counted = await runToEnd(session, client, { ...wish, dry_run: true })
  if (dryRun) {
    await session.note(`${counted.matched} would be revoked; nothing was changed.`)
    return counted
  }
  if (counted.matched === 0) {
    await session.note('No certificate matches; nothing was changed.')
    return counted
  }
  const many = counted.matched === 1 ? '1 certificate' : `${counted.matched} certificates`
  await confirmCount(session.io, `This revokes ${many} for good`, counted.matched, false)
  return runToEnd(session, client, wish)
}
