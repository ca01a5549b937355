import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { parseServer, withPort } from '../../client/address.ts'
import { readServer } from '../connection.ts'
import { CliError, configurationError, type ExitCode } from '../errors.ts'
import { fingerprintOption, type JoinFlags, proofOptions } from '../join-options.ts'
import type { Verb } from '../noun.ts'
import { collect, collectPair, readDuration, readPrincipalId } from '../options.ts'
import type { Session } from '../session.ts'
import { readVersion } from './version.ts'

interface RunFlags extends JoinFlags {
  stateDir?: string
  enrollServer?: string
  exec?: string[]
  signal?: string[]
  hookTimeout: number
  once?: true
  healthListen?: { host: string; port: number }
  metadata?: Record<string, string>
}

/** Where the enrolment listener is when nobody says otherwise. */
const enrollPort = 8444

const readListen = (text: string): { host: string; port: number } => {
  const [, host = '', port = ''] = /^(?:\[?([^\]]*?)\]?:)?(\d{1,5})$/.exec(text) ?? []
  if (port === '' || Number(port) > 65_535) throw new InvalidArgumentError('Expected HOST:PORT or a port.')
  return { host: host || '127.0.0.1', port: Number(port) }
}

/** The daemon. All of it is loaded when it is started, and not before. */
export const agentRunVerb = (session: Session): Verb => ({
  name: 'run',
  summary: 'keep the identity in a state directory good',
  description:
    'Renews with a new key in time, keeps the event stream open, obeys commands, and tells other programs of changes. Without an identity it joins first, and after expiry it joins again, when it was given a way. Told that it is revoked or suspended it stops trying, says why, and ends with exit code 4.',
  options: [
    new Option(
      '--state-dir <directory>',
      'where the identity is kept (AIRUNNER_STATE_DIR); otherwise the one systemd names, /var/lib/airunner, or ~/.local/state/airunner',
    ),
    new Option(
      '--exec <hook>',
      'run this after a change, as COMMAND or NAME=COMMAND; may be given several times',
    ).argParser(collect),
    new Option(
      '--signal <pidfile:signal>',
      'send this after a change, e.g. /run/nginx.pid:HUP; may be given several times',
    ).argParser(collect),
    new Option('--hook-timeout <time>', 'how long each of them may take')
      .default(30_000, '30s')
      .argParser(readDuration),
    new Option('--once', 'do what is due and end, for cron'),
    new Option('--health-listen <address>', 'plain HTTP with /livez and /metrics, e.g. 127.0.0.1:9180').argParser(
      readListen,
    ),
    ...proofOptions(),
    fingerprintOption(),
    new Option('--enroll-server <url>', `the enrolment listener; port ${enrollPort} of --server otherwise`),
    new Option('--id <id>', 'the principal to become, where the token or rule leaves it open').argParser(
      readPrincipalId,
    ),
    new Option('--metadata <key=value>', 'a label to report; may be given several times').argParser(collectPair),
  ],
  examples: [
    'airunner agent run --server https://airunner.example.com --signal /run/nginx.pid:HUP',
    'airunner agent run --server https://airunner.example.com --aws-iam --cacert ca.pem --exec reload="systemctl reload envoy"',
    'airunner agent run --server https://airunner.example.com --once   # from cron',
  ],
  run: async ({ options }) => {
    const flags = options as RunFlags
    const { defaultStateDirectory, demandPlaneName, proofOf, trustOf } = await import('../joining.ts')
    const settings = await session.ownSettings()
    if (settings.server === undefined)
      throw configurationError('no server is configured', {
        next: 'Give --server https://HOST, or set AIRUNNER_SERVER.',
      })
    const server = readServer(settings.server)
    const enrollServer =
      flags.enrollServer === undefined ? withPort(server, enrollPort) : parseServer(flags.enrollServer)
    if (typeof enrollServer === 'string')
      throw configurationError(`--enroll-server ${flags.enrollServer} is no URL to connect to`, { why: enrollServer })
    const proof = proofOf(session, flags)
    demandPlaneName(proof, enrollServer)
    const { parseExec, parseSignal } = await import('../../agent/hooks.ts')
    const parsed = [...(flags.exec ?? []).map(parseExec), ...(flags.signal ?? []).map(parseSignal)]
    const hooks = parsed.map((hook) => {
      if (typeof hook === 'string') throw configurationError('a hook cannot be read', { why: hook })
      return hook
    })
    const twice = hooks.find(({ name }, index) => hooks.findIndex((other) => other.name === name) !== index)
    if (twice !== undefined)
      throw configurationError(`two hooks have the name ${twice.name}`, { next: 'Give them names: NAME=COMMAND.' })
    const { runAgent } = await import('../../agent/main.ts')
    const end = await runAgent(
      {
        server,
        enrollServer,
        trust: await trustOf(settings, flags),
        proof,
        principalId: flags.id,
        metadata: flags.metadata ?? {},
        hooks,
        hookTimeout: flags.hookTimeout,
        once: flags.once === true,
        timeout: session.globals().timeout,
        version: await readVersion(),
        stateDir: flags.stateDir === undefined ? defaultStateDirectory(session.io.env) : resolve(flags.stateDir),
        healthListen: flags.healthListen,
      },
      { stderr: session.io.stderr, env: session.io.env, signal: session.io.signal },
    )
    if (session.io.signal.aborted) throw session.io.signal.reason
    if (end.code !== 0)
      throw new CliError(end.code as ExitCode, end.what, {
        ...(end.why === undefined ? {} : { why: end.why }),
        ...(end.next === undefined ? {} : { next: end.next }),
      })
  },
})
