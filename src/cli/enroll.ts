import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeDirectory, refuseToOverwrite, removeFile, systemDisk } from '../client/files.ts'
import { isAnswered, isIdentity } from '../client/identity.ts'
import { type JoinDeps, join as joinPlane } from '../client/join.ts'
import { withLock } from '../client/lock.ts'
import { fileNames, openStateDirectory } from '../client/state.ts'
import { TransportError } from '../client/transport.ts'
import type { Enrollment } from '../wire/enrollments.ts'
import { CliError } from './errors.ts'
import { joinRefusal } from './joining.ts'
import type { Session } from './session.ts'

export interface EnrollOptions extends Pick<JoinDeps, 'server' | 'trust' | 'proof' | 'principalId' | 'metadata'> {
  outputDir: string
  force: boolean
}

/** Said of what may have been done without our hearing of it. */
const withWayOn = (refusal: unknown): unknown =>
  refusal instanceof CliError && refusal.cause instanceof TransportError && refusal.cause.sent
    ? new CliError(refusal.exitCode, refusal.message, {
        ...(refusal.why === undefined ? {} : { why: refusal.why }),
        next: [
          // Then it may have been sent to nobody who takes it.
          ...(refusal.cause.failure === 'cut' && refusal.next !== undefined ? [refusal.next] : []),
          'Run the same command again: it goes on with the same key and gets the same certificate.',
        ].join(' '),
        cause: refusal.cause,
      })
    : refusal

/** Joins a plane and writes the state directory that the agent goes on with. The key never leaves this machine. */
export const enroll = async (session: Session, options: EnrollOptions): Promise<Enrollment> => {
  const { io } = session
  const { outputDir, force, ...wish } = options
  await makeDirectory(outputDir)
  return withLock(join(outputDir, fileNames.lock), async () => {
    const state = openStateDirectory(outputDir, systemDisk)
    const { current, next } = await state.read()
    const unfinished = next !== undefined && !isIdentity(next) && isAnswered(next, current)
    if (!unfinished) await refuseToOverwrite(outputDir, [fileNames.identity, fileNames.key, fileNames.cert], force)
    if (force) for (const name of ['commands.json', 'hooks.json']) await removeFile(join(outputDir, name))
    try {
      const { enrollment } = await joinPlane({
        ...wish,
        state,
        now: io.now,
        random: Math.random,
        sleep: (milliseconds) => sleep(milliseconds, undefined, { signal: io.signal }),
        timeout: session.globals().timeout,
        signal: io.signal,
      })
      return enrollment
    } catch (error) {
      if (io.signal.aborted) throw io.signal.reason
      throw withWayOn(joinRefusal(error, options.server))
    }
  })
}
