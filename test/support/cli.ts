import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Test } from 'tap'
import type { CliError } from '../../src/cli/errors.ts'
import type { Io } from '../../src/cli/io.ts'
import { run } from '../../src/cli/run.ts'
import type { Identity } from './client.ts'
import type { TestPlane } from './plane.ts'

export interface CliAnswer {
  code: number
  stdout: string
  stderr: string
}

export interface CliOptions {
  env?: Record<string, string | undefined>
  stdin?: string
  /** All three streams are a terminal. */
  terminal?: boolean
  now?: () => number
  /** Told of what goes to stdout; may stop the command. */
  onStdout?: (text: string, stop: (reason: CliError) => void) => void
}

const outlet = (terminal: boolean, onText: (text: string) => void) => {
  const stream = new PassThrough()
  stream.on('data', (chunk: Buffer) => onText(chunk.toString('utf8')))
  return Object.assign(stream, { isTTY: terminal })
}

/** Runs one command line in this process, with streams and environment of its own. */
export const runCli = async (argv: string[], options: CliOptions = {}): Promise<CliAnswer> => {
  const answer = { stdout: '', stderr: '' }
  const stopping = new AbortController()
  const terminal = options.terminal === true
  const stdin = Object.assign(new PassThrough(), { isTTY: terminal })
  stdin.end(options.stdin ?? '')
  const io: Io = {
    stdin,
    stdout: outlet(terminal, (text) => {
      answer.stdout += text
      options.onStdout?.(answer.stdout, (reason) => stopping.abort(reason))
    }),
    stderr: outlet(terminal, (text) => {
      answer.stderr += text
    }),
    env: options.env ?? {},
    now: options.now ?? Date.now,
    signal: stopping.signal,
  }
  const code = await run(argv, io)
  return { code, ...answer }
}

/** A directory of the test's own, gone with it. */
export const workDirectory = async (t: Pick<Test, 'teardown'>): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'airunner-cli-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export interface CliHome {
  directory: string
  /** Where the connection is found, and nothing of the machine's own configuration. */
  env: Record<string, string>
  cert: string
  key: string
  ca: string
}

/** Files and variables with which `airunner` connects to a plane as someone. */
export const makeCliHome = async (
  t: Pick<Test, 'teardown'>,
  plane: TestPlane,
  identity: Identity,
): Promise<CliHome> => {
  const directory = await workDirectory(t)
  const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem'), ca: join(directory, 'ca.pem') }
  await writeFile(files.cert, identity.certificate)
  await writeFile(files.key, identity.key, { mode: 0o600 })
  await writeFile(files.ca, plane.authority.root_pem)
  return {
    directory,
    ...files,
    env: {
      HOME: directory,
      AIRUNNER_SERVER: serverUrl(plane),
      AIRUNNER_CACERT: files.ca,
      AIRUNNER_CLIENT_CERT: files.cert,
      AIRUNNER_CLIENT_KEY: files.key,
    },
  }
}

/** By the name in its certificate. */
export const serverUrl = (plane: TestPlane): string => `https://localhost:${plane.server.mtls.split(':').at(-1)}`
