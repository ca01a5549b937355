import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeCliHome, runCli, serverUrl } from '../support/cli.ts'
import { startPlane } from '../support/plane.ts'
import { fill, matches, readTranscript, runCommand, type Shell, type Words } from '../support/transcript.ts'

const directory = join(import.meta.dirname, 'transcripts')
const only = process.env['TRANSCRIPT']

/** Paths are the machine's; what moves the cursor or paints is not text. */
const escapes = /\r|\p{Cc}\[[0-9;]*[A-Za-z]/gu
const shown = (text: string, home: string): string => text.replaceAll(home, '~').replace(escapes, '')

for (const file of readdirSync(directory).sort()) {
  if (only !== undefined && !file.startsWith(only)) continue
  t.test(file, async (t) => {
    const plane = await startPlane(t)
    const { identity } = await plane.enrol('ops', 'admin')
    const home = await makeCliHome(t, plane, identity)
    process.chdir(home.directory)
    t.teardown(() => process.chdir(import.meta.dirname))
    const words: Words = new Map([
      ['server', serverUrl(plane)],
      ['host', serverUrl(plane).slice('https://'.length)],
    ])
    const shell: Shell = { env: { ...home.env }, directory: home.directory, airunner: runCli }
    for (const exchange of readTranscript(readFileSync(join(directory, file), 'utf8'))) {
      const answer = await runCommand(shell, fill(exchange.command, words), exchange.typed)
      const stdout = shown(answer.stdout, home.directory)
      const stderr = shown(answer.stderr, home.directory)
      const good =
        answer.code === exchange.code &&
        matches(exchange.stdout, stdout, words) &&
        matches(exchange.stderr, stderr, words)
      const actual = `${stdout}${stderr.replace(/^(?=.)/gm, '! ')}? ${answer.code}`
      t.ok(good, `${file}:${exchange.line} ${exchange.command}`, good ? {} : { actual })
    }
  })
}
