import type { Check, Result } from '../doctor/check.ts'
import { CliError } from '../errors.ts'
import { write } from '../io.ts'
import type { Verb } from '../noun.ts'
import { makePaint, type Paint } from '../paint.ts'
import type { Session } from '../session.ts'
import { oneLine } from '../text.ts'

const paintOfResult: Record<Result, Paint> = { ok: 'green', warn: 'yellow', fail: 'red', skip: 'dim' }

/** Checks everything between this machine and being let in. */
export const doctorVerb = (session: Session): Verb => ({
  name: 'doctor',
  summary: 'check the whole way to the server, and say what is wrong',
  description:
    'Configuration, name resolution, TCP, the server’s certificate, the clocks, your own certificate, admission, permissions, and the next renewal. Ends with the exit code of the first failure.',
  examples: ['airunner doctor', 'airunner doctor --context prod -o json'],
  run: async () => {
    const { diagnose } = await import('../doctor/diagnose.ts')
    const { output } = session.globals()
    const paint = makePaint(session.io, session.io.stdout)
    const asText = output === 'table' || output === 'wide'
    const tell = async (check: Check): Promise<void> => {
      if (!asText) return
      const label = paint(paintOfResult[check.result], check.result.padEnd(4))
      await write(session.io.stdout, `${label}  ${check.check.padEnd(18)}  ${oneLine(check.detail)}\n`)
      if (check.next !== undefined) await write(session.io.stdout, `${' '.repeat(26)}${oneLine(check.next)}\n`)
    }
    const checks = await diagnose(session, tell)
    const failure = checks.find(({ result }) => result === 'fail')
    if (output === 'jsonl' || output === 'name')
      await session.print().list({ name: ({ check, result }: Check) => `${result} ${check}`, columns: [] }, checks)
    else if (!asText) await session.print().document({ healthy: failure === undefined, checks })
    // All of it was said: only the exit code is left.
    if (failure?.exit_code !== undefined) throw new CliError(failure.exit_code, '')
  },
})
