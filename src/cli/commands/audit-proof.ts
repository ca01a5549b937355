import { Argument, Option } from 'commander'
import type { VerifyResult } from '../../core/audit-verify.ts'
import { CliError, exitCode } from '../errors.ts'
import { write } from '../io.ts'
import type { Verb } from '../noun.ts'
import { gather, makeReadMoment } from '../options.ts'
import type { Session } from '../session.ts'

/** Lines of findings that are shown to people; all of them are in the JSON. */
const mostShown = 50

/** Writes down what happened in a way that can be verified without us. */
export const exportVerb = (session: Session): Verb => ({
  name: 'export',
  summary: 'write events, their chains and checkpoints to a file that proves itself',
  description:
    'JSON lines, as docs/audit.md describes them; to stdout without --file. A part begins at the last checkpoint before --since, and ends with the first one after --until. The file holds who did what: it is made for you alone (0600).',
  options: [
    new Option('--file <file>', 'write there; appears when it is complete'),
    new Option('--since <time>', 'from this time on, or so long ago; all that is kept otherwise').argParser(
      makeReadMoment(session.io.now, -1),
    ),
    new Option('--until <time>', 'up to this time, or so long ago').argParser(makeReadMoment(session.io.now, -1)),
  ],
  examples: [
    'airunner audit export --file audit.jsonl',
    'airunner audit export --since 2026-11-01 --until 2026-11-08 --file week.jsonl',
  ],
  run: async ({ options }) => {
    const { exportLines } = await import('../audit-export.ts')
    const client = await session.connect()
    const lines = exportLines(client, {
      now: session.io.now(),
      ...(options.since === undefined ? {} : { since: options.since as string }),
      ...(options.until === undefined ? {} : { until: options.until as string }),
    })
    if (options.file === undefined) {
      for await (const line of lines) await write(session.io.stdout, `${line}\n`)
      return
    }
    const { writeLines } = await import('../audit-file.ts')
    await writeLines(options.file, lines)
    await session.note(`Wrote ${options.file}.`)
  },
})

/** What a person is told. */
const summaryOf = ({ findings: _, notes: __, ...rest }: VerifyResult) => rest

/** Proves an export, or says what is wrong with it. */
export const verifyVerb = (session: Session): Verb => ({
  name: 'verify',
  summary: 'verify an export, offline',
  description:
    'Says which events were altered, left out, put in, reordered or cut off, and from when to when the rest is proved. Exit 1 when anything is wrong. Without --key the checkpoints are verified by the key that the file names itself: whoever made the whole file passes. What was cut off at the end shows only against a newer checkpoint: give --checkpoint with the newest object of the audit bucket.',
  arguments: [new Argument('<file>', 'an export')],
  options: [
    new Option('--key <file>', 'public half of the audit key, PEM; again for each key that was in use').argParser(
      gather,
    ),
    new Option('--checkpoint <file>', 'a checkpoint from the audit bucket; may be given again').argParser(gather),
  ],
  examples: [
    'airunner audit verify audit.jsonl --key audit-key.pub.pem',
    'airunner audit verify audit.jsonl --key audit-key.pub.pem --checkpoint 0000000123.json',
  ],
  run: async ({ arguments: [file], options }) => {
    const { verifyExport } = await import('../audit-file.ts')
    const result = await verifyExport(file as string, {
      keys: options.key ?? [],
      pins: options.checkpoint ?? [],
      now: session.io.now(),
    })
    const { output } = session.globals()
    const forPeople = output === 'table' || output === 'wide'
    await session.print().record({ name: () => file as string }, forPeople ? summaryOf(result) : result)
    for (const note of forPeople ? result.notes : []) await session.note(note)
    if (result.found > 0) {
      const shown = result.findings.slice(0, mostShown)
      const why = shown.map(({ line, message }) => (line === undefined ? message : `line ${line}: ${message}`))
      if (result.found > shown.length) why.push(`and ${result.found - shown.length} more`)
      throw new CliError(exitCode.failed, `${file} does not hold`, { why: why.join('\n') })
    }
    if (!result.keys_trusted)
      await session.note(
        `The file agrees with itself. That ${result.keys.join(', ')} is your audit key is for you to say: give it with --key.`,
      )
  },
})
