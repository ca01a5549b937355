/**
 * Runs test files written for tap, each a process of its own, and ends with `N passed, N failed, N skipped`.
 * What failed beside others is run again, alone, at the end: it is then said to be unstable, or has failed.
 *
 *     npm test                                  all of them
 *     npm test -- test/pki/csr.ts test/flows    these files and folders
 *     npm test -- --verbose --jobs 1 test/pki   all that they print, one after the other
 *     npm test -- --times                       and what each cost, the dearest first
 *     npm run test:deploy                       test/deploy alone, which takes minutes and is no part of the rest
 *
 * Tap's own runner loads a recorder into every process that a test starts, servers and their signals included, and
 * keeps its state in one folder, so that two runs at once break each other. Here a test runs as `node test/x.ts` does.
 */
import { globSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { requireNode } from './require-node.ts'
import { endAll, type Run, runFile } from './test/run-file.ts'
import { runAll } from './test/second-try.ts'
import { firstFailure } from './test/tap.ts'

const root = resolve(import.meta.dirname, '..')
/** What waits for sockets, timers or tools is started first, so that it does not end last. */
const slowFirst = [
  'test/flows/agent-hour.ts',
  'test/package.ts',
  'test/infra/terraform',
  'test/docker/',
  'test/github/',
  'test/outside/',
  'test/flows/',
  'test/server/',
  'test/cli/',
]

requireNode()
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    verbose: { type: 'boolean', default: false },
    jobs: { type: 'string' },
    /** Lists at the end what each file took of the CPU. */
    times: { type: 'boolean', default: false },
    /** Shows at once what tests write to stderr: progress, where a file takes minutes. */
    live: { type: 'boolean', default: false },
    /** Seconds that a file, and each test in it, may take. */
    limit: { type: 'string' },
  },
})
const secondsOfRun = Number(process.env['TEST_LIMIT_SECONDS'] ?? 1200)
const secondsOfFile = Number(values.limit ?? 480)
const jobs = Math.max(1, Number(values.jobs ?? Math.min(availableParallelism() + 2, 6)))

/** Minutes long, and asked for by name. */
const apart = 'test/deploy/'
const isTest = (path: string) => !path.startsWith('test/support/') && !/(^|\/)(fixtures|transcripts)\//.test(path)

const filesOf = (argument: string): string[] => {
  const path = relative(root, resolve(argument))
  const found = statSync(resolve(root, path), { throwIfNoEntry: false })
  if (found === undefined) throw new Error(`no such test: ${argument}`)
  return found.isDirectory() ? globSync(`${path}/**/*.ts`, { cwd: root }).filter(isTest).sort() : [path]
}

const rank = (file: string) => {
  const place = slowFirst.findIndex((prefix) => file.startsWith(prefix))
  return place < 0 ? slowFirst.length : place
}

// A world of its own: a test sees nothing of the developer's plane or cloud and leaves nothing in the temporary folder.
const scratch = mkdtempSync(join(tmpdir(), 'airunner-test-'))
const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(AIRUNNER|AWS|TAP)_|^NODE_OPTIONS$/.test(name)),
  ),
  TMPDIR: scratch,
  NO_COLOR: '1',
  // Hundreds of processes load the same sources: types are taken away and code is compiled once.
  NODE_COMPILE_CACHE: join(scratch, 'node-compile-cache'),
  TAP_TIMEOUT: values.limit ?? '300',
}

/** The last run of each file. */
const runs = new Map<string, Run>()
/** First runs of those that passed alone. */
const unstable = new Map<string, Run>()
/** What is wrong with no file. */
let failures = 0

const failedIn = (run: Run) => Math.max(run.failed, run.faults.length > 0 ? 1 : 0)
const sum = (of: (run: Run) => number) => [...runs.values()].reduce((sum, run) => sum + of(run), 0)
const finish = () => {
  endAll()
  rmSync(scratch, { recursive: true, force: true, maxRetries: 3 })
  if (values.times) {
    console.log(`\n${sum((run) => run.cpuSeconds).toFixed(1)} s of CPU`)
    for (const [file, { cpuSeconds }] of [...runs].sort(([, a], [, b]) => b.cpuSeconds - a.cpuSeconds))
      console.log(`${cpuSeconds.toFixed(1).padStart(7)}  ${file}`)
  }
  for (const [file, run] of unstable) {
    console.log(`\nUNSTABLE ${file}: it failed beside others and passed alone`)
    console.log(firstFailure(run.output, run.faults).replace(/^/gm, '  | '))
  }
  const failed = sum(failedIn) + failures
  const counts = `${sum((run) => run.passed)} passed, ${failed} failed, ${sum((run) => run.skipped)} skipped`
  console.log(`\n${counts}${unstable.size > 0 ? `, ${unstable.size} unstable` : ''}`)
  process.exitCode = failed > 0 ? 1 : 0
}
const giveUp = (why: string) => {
  console.log(`\nstopped: ${why}`)
  failures += 1
  finish()
  process.exit(1)
}

const report = (file: string, run: Run, again: boolean) => {
  const failed = failedIn(run)
  const counts = [
    `${run.passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(run.skipped > 0 ? [`${run.skipped} skipped`] : []),
  ]
  const took = `${run.seconds.toFixed(1)} s, ${run.cpuSeconds.toFixed(1)} s of CPU`
  const place = again ? 'it is run again, alone, at the end' : runs.has(file) ? 'alone' : ''
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '} ${file}  ${counts.join(', ')}  ${took}${place && `  (${place})`}`)
  for (const line of run.faults) console.log(`     ${line}`)
  for (const line of run.skips) console.log(`     skipped: ${line}`)
  if (failed > 0 || values.verbose) console.log(run.output.trimEnd().replace(/^/gm, '  | '))
  runs.set(file, run)
}

// A reader that has gone (`npm test | head`) is no reason to leave things running.
process.stdout.on('error', () => {})
// npm ends on a signal without passing it on.
const startedBy = process.ppid
setInterval(() => process.ppid === startedBy || giveUp('who started this has ended'), 500).unref()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => giveUp(signal))
setTimeout(() => giveUp(`the run took more than ${secondsOfRun} s`), secondsOfRun * 1000).unref()
try {
  const wanted =
    positionals.length > 0
      ? positionals.flatMap(filesOf)
      : filesOf(join(root, 'test')).filter((path) => !path.startsWith(apart))
  const files = [...new Set(wanted)].sort((a, b) => rank(a) - rank(b))
  const outcomes = await runAll({
    files,
    jobs,
    run: (file) => runFile(file, { cwd: root, env, secondsOfFile, live: values.live }),
    ended: report,
    // Who names files wants to know of those.
    secondTry: positionals.length === 0 && !values.live,
  })
  for (const outcome of outcomes) if (outcome.unstable !== undefined) unstable.set(outcome.file, outcome.unstable)
  if (sum((run) => run.passed + failedIn(run)) === 0) throw new Error('no test ran')
} catch (error) {
  console.log(error instanceof Error ? error.message : error)
  failures += 1
}
finish()
