import { Command, type CommanderError, Option } from 'commander'
import { agentVerbs } from './commands/agent.ts'
import { agentRunVerb } from './commands/agent-run.ts'
import { apiVerb } from './commands/api.ts'
import { auditVerbs } from './commands/audit.ts'
import { bootstrapVerb } from './commands/bootstrap.ts'
import { caVerbs } from './commands/ca.ts'
import { certificateVerbs } from './commands/certificate.ts'
import { completionVerb } from './commands/completion.ts'
import { contextVerbs } from './commands/context.ts'
import { doctorVerb } from './commands/doctor.ts'
import { enrollVerb } from './commands/enroll.ts'
import { joinRuleVerbs } from './commands/join-rule.ts'
import { principalVerbs } from './commands/principal.ts'
import { restoreVerbs } from './commands/restore.ts'
import { tokenVerbs } from './commands/token.ts'
import { versionVerb } from './commands/version.ts'
import { whoamiVerb } from './commands/whoami.ts'
import { exitCode } from './errors.ts'
import type { Io } from './io.ts'
import { addNoun, addVerb } from './noun.ts'
import { readDuration } from './options.ts'
import { formats } from './output.ts'
import { type Globals, makeSession, type Session } from './session.ts'

const exitCodesHelp = `
Exit codes:
  0  ok                          5  not found
  1  failed                      6  conflict or precondition
  2  usage                       7  unreachable or timed out
  3  configuration or context    8  throttled or unavailable
  4  not let in (TLS, 401, 403)  9  cancelled at a prompt
  130, 143  ended by SIGINT, SIGTERM

Getting started:
  airunner context add prod --server https://airunner.example.com --cacert ca-cert.pem \\
    --client-cert admin-cert.pem --client-key admin-key.pem
  airunner doctor`

const globalOptions = (): Option[] => [
  new Option('--server <url>', 'the server: https://HOST[:PORT] (AIRUNNER_SERVER)'),
  new Option('--cacert <file>', 'trust bundle that verifies the server, PEM (AIRUNNER_CACERT)'),
  new Option('--client-cert <file>', 'client certificate, PEM (AIRUNNER_CLIENT_CERT)'),
  new Option('--client-key <file>', 'its private key, PEM (AIRUNNER_CLIENT_KEY)'),
  new Option('--context <name>', 'the context to use instead of the current one (AIRUNNER_CONTEXT)'),
  new Option('-o, --output <format>', 'how results are printed').choices([...formats]).default('table'),
  new Option('--timeout <time>', 'longest wait for a connection or an answer')
    .default(30_000, '30s')
    .argParser(readDuration),
]

export interface Program {
  command: Command
  session: Session
}

/** The whole tree of commands. Actions load what they need when they run: the tree itself is cheap. */
export const makeProgram = (io: Io): Program => {
  const program = new Command('airunner')
  const session = makeSession(io, () => program.opts<Globals>())
  program
    .description('Runs a control plane for mutual TLS: principals, their certificates, and who did what.')
    .usage('<noun> <verb> [id] [flags]')
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Refusals are printed in one place, with their exit code and in the format that was asked for.
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .showSuggestionAfterError(true)
    .exitOverride()
  for (const option of globalOptions()) program.addOption(option)

  addVerb(program, bootstrapVerb(session))
  addNoun(program, ['principal', 'principals'], 'who: the identities of the registry', principalVerbs(session))
  addNoun(
    program,
    ['certificate', 'certificates', 'cert', 'certs'],
    'certificates: issue, renew, revoke, look into',
    certificateVerbs(session),
  )
  addVerb(program, enrollVerb(session))
  addNoun(program, ['agent', 'agents'], 'the daemons that keep identities good: run one, see and steer them all', [
    agentRunVerb(session),
    ...agentVerbs(session),
  ])
  addNoun(program, ['token', 'tokens'], 'secrets by which new machines join', tokenVerbs(session))
  addNoun(
    program,
    ['join-rule', 'join-rules'],
    'which machines join by the identity of their platform',
    joinRuleVerbs(session),
  )
  addNoun(program, ['ca'], 'issuers and roots: change them while everything runs', caVerbs(session))
  addNoun(program, ['audit'], 'who did what, and when', auditVerbs(session))
  addNoun(
    program,
    ['restore'],
    'after a restore of the tables: take away again what they have given back',
    restoreVerbs(session),
  )
  addNoun(program, ['context', 'contexts'], 'which planes there are, and as whom you use them', contextVerbs(session))
  addVerb(program, whoamiVerb(session))
  addVerb(program, doctorVerb(session))
  addVerb(program, apiVerb(session))
  addVerb(
    program,
    completionVerb(session, () => program),
  )
  addVerb(program, versionVerb(session))
  program.addHelpText('after', exitCodesHelp)
  return { command: program, session }
}

/** What commander's refusals end with: help that was asked for is no failure. */
export const exitOfCommander = (error: CommanderError): number =>
  error.code === 'commander.helpDisplayed' || (error.code === 'commander.help' && error.exitCode === 0)
    ? exitCode.ok
    : exitCode.usage
