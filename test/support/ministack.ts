import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from './free-port.ts'

const program = resolve(import.meta.dirname, '../../.tools/bin/ministack')
/** Milliseconds. */
const patience = 60_000

/** An AWS on this machine; use it when `missingTools('ministack')` is false. */
export interface Ministack {
  endpoint: string
  region: string
  credentials: { accessKeyId: string; secretAccessKey: string }
  /** With these variables the SDK, the AWS CLI and Terraform find it, and no account of this machine. */
  env: Record<string, string>
  /** What it has printed, for a test that fails. */
  output(): string
  /** Ends it, and all that it started. */
  stop(): Promise<void>
}

// A runner that gives up kills the test, which then can end nothing, and this group is not the test's. So this shell ends
// the emulator as soon as our end of its stdin closes, however we die.
const leash = 'exec 3<&0; "$@" </dev/null & pid=$!; (cat <&3 >/dev/null; kill $pid 2>/dev/null) & exec 3<&-; wait $pid'

/** It has a process group of its own, so that its children end with it. */
const endGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Nobody is left.
  }
}

/**
 * Starts ministack with nothing in it, on a free port of the loopback; its files are in a folder of its own, gone at the end.
 * The caller stops it, e.g. in `t.teardown`; it also ends with this process.
 */
export const startMinistack = async (more: Record<string, string> = {}): Promise<Ministack> => {
  const directory = mkdtempSync(join(tmpdir(), 'ministack-'))
  const port = await freePort()
  const region = 'us-east-1'
  const child = spawn('/bin/sh', ['-c', leash, 'sh', program], {
    cwd: directory,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      TMPDIR: directory,
      STATE_DIR: join(directory, 'state'),
      S3_DATA_DIR: join(directory, 's3'),
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      MINISTACK_REGION: region,
      LOG_LEVEL: 'WARNING',
      // Listeners on fixed ports that nobody here asks for.
      SFTP_ENABLED: '0',
      IOT_MTLS_ENABLED: '0',
      // No container engine of this machine is any of its business.
      DOCKER_HOST: `unix://${join(directory, 'no-docker.sock')}`,
      ...more,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-20_000)
    })
  const ended = once(child, 'exit').catch(() => undefined)
  const atExit = () => endGroup(child, 'SIGKILL')
  process.once('exit', atExit)

  const stop = async () => {
    endGroup(child, 'SIGTERM')
    const killer = setTimeout(() => endGroup(child, 'SIGKILL'), 5000)
    await ended
    clearTimeout(killer)
    endGroup(child, 'SIGKILL')
    process.off('exit', atExit)
    rmSync(directory, { recursive: true, force: true })
  }

  const endpoint = `http://127.0.0.1:${port}`
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const until = Date.now() + patience
  for (;;) {
    const healthy = await fetch(`${endpoint}/_ministack/health`, { signal: AbortSignal.timeout(2000) }).then(
      ({ ok }) => ok,
      () => false,
    )
    if (healthy) break
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > until) {
      await stop()
      throw new Error(`ministack did not start:\n${output}`)
    }
    await new Promise((done) => setTimeout(done, 100))
  }
  return {
    endpoint,
    region,
    credentials,
    env: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    output: () => output,
    stop,
  }
}
