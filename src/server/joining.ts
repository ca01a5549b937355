import { makeBoundedAudit } from '../auth/bounded-audit.ts'
import type { Source } from '../auth/caller.ts'
import { makeFailedProofs } from '../auth/join/failed-proofs.ts'
import { makeJoinGate } from '../auth/join/gate.ts'
import type { VerifyProof } from '../auth/join/proof.ts'
import { makeCreateJoinRule } from '../authority/create-join-rule.ts'
import { makeCreateJoinToken } from '../authority/create-join-token.ts'
import { makeDeleteJoinRule } from '../authority/delete-join-rule.ts'
import { makeEnroll } from '../authority/enroll.ts'
import type { IssuingDeps } from '../authority/issuing.ts'
import { makeRemoveDeparted } from '../authority/remove-departed.ts'
import { makeRevokeJoinToken } from '../authority/revoke-join-token.ts'
import { makeRuleReader } from '../authority/rule-reader.ts'
import { makeRuleTicket } from '../authority/rule-ticket.ts'
import { makeTestJoinRule } from '../authority/test-join-rule.ts'
import { makeTokenTicket } from '../authority/token-ticket.ts'
import { makeUpdateJoinRule } from '../authority/update-join-rule.ts'
import { isOidcRule } from '../core/joining.ts'
import type { EventDraft } from '../store/audit-event.ts'
import type { Registry } from '../store/registry.ts'
import type { Config } from './config.ts'
import { makeDenialLog } from './denial-log.ts'
import type { Log } from './log.ts'
import type { Verbs } from './plane.ts'

export interface JoiningDeps {
  registry: Registry
  issuing: IssuingDeps
  config: Pick<Config, 'hostname' | 'supersedeGrace' | 'maxValidity' | 'awsRegions' | 'stsEndpoint'>
  log: Log
  clock: () => number
  record: (event: EventDraft, source: Source & { actor: string }) => Promise<void>
  /** Where machines join, as they are told; undefined while no port is open for it. */
  enrollPort: () => number | undefined
  /** Of one of our issuers, PEM. */
  issuerPem: (issuerId: string) => string | undefined
  /** SHA-256 of the DER of each root, hex. */
  rootFingerprints: () => string[]
}

export type JoiningVerbs = Pick<
  Verbs,
  | 'enroll'
  | 'createJoinToken'
  | 'revokeJoinToken'
  | 'createJoinRule'
  | 'updateJoinRule'
  | 'deleteJoinRule'
  | 'testJoinRule'
>

/** A way to join that is loaded with the first who comes that way: most deployments have nobody who does. */
const whenAsked = <B>(open: () => Promise<VerifyProof<B>>): VerifyProof<B> => {
  let opening: Promise<VerifyProof<B>> | undefined
  return async (...asked) => {
    opening ??= open()
    return (await opening)(...asked)
  }
}

/** Everything about joining, put together for one process. */
export const makeJoining = (deps: JoiningDeps) => {
  const { registry, issuing, config, log, clock } = deps
  // Who joins by an AWS identity is now decided there, and by plain HTTP by anybody on the way.
  if (config.stsEndpoint !== undefined) log.warn({ event: 'sts_replaced', url: config.stsEndpoint.href })
  const onFailure = (error: unknown) => log.debug({ event: 'join_background_failed', reason: (error as Error).message })
  const audit = makeBoundedAudit({ record: deps.record, clock, onFailure, action: 'join.refuse' })
  const logRefusal = makeDenialLog(log, clock, 'join_refused')
  const gate = makeJoinGate({
    failed: makeFailedProofs(clock),
    unanswered: makeFailedProofs(clock),
    audit,
    onRefused: (refusal) => logRefusal({ ...refusal }),
  })

  const { read: rules, forget } = makeRuleReader({ all: registry.joinRules.all, clock })
  const tokenTicket = makeTokenTicket({ registry, clock })
  const ruleTicket = makeRuleTicket({
    registry,
    rules,
    clock,
    verifyAwsIam: whenAsked(async () => {
      const { makeVerifyAwsIam, stsAt } = await import('../auth/join/aws-iam.ts')
      return makeVerifyAwsIam({
        hostname: config.hostname,
        regions: config.awsRegions,
        ...(config.stsEndpoint === undefined ? {} : stsAt(config.stsEndpoint)),
      })
    }),
    verifyOidc: whenAsked(async () => {
      const { makeVerifyOidc } = await import('../auth/join/oidc.ts')
      const conditions = async () => {
        const enabled = (await rules()).filter((rule) => rule.enabled)
        return enabled.filter(isOidcRule).map((rule) => rule.oidc)
      }
      return makeVerifyOidc({ conditions, clock })
    }),
    demandPatience: gate.demandPatience,
  })
  const enroll = makeEnroll({
    ...issuing,
    registry,
    supersedeGrace: config.supersedeGrace,
    issuerPem: deps.issuerPem,
    ticketFor: (body, csrSha256, source) =>
      body.method === 'token' ? tokenTicket(body, csrSha256) : ruleTicket(body, csrSha256, source),
  })

  /** Nothing secret stands in the arguments, which every user of a machine can read. */
  const commandFor = ({ principal_id }: { principal_id?: string }, secret: string): string => {
    const port = deps.enrollPort()
    const server = `https://${config.hostname}${port === undefined || port === 443 ? '' : `:${port}`}`
    const trust = deps.rootFingerprints().map((fingerprint) => `--ca-fingerprint sha256:${fingerprint}`)
    const id = principal_id === undefined ? '' : ` --id ${principal_id}`
    return `echo ${secret} | airunner enroll --server ${server} --token-file - ${trust[0] ?? '--cacert FILE'}${id}`
  }

  const changing = { registry, clock, maxValidity: config.maxValidity }
  const createJoinRule = makeCreateJoinRule(changing)
  const updateJoinRule = makeUpdateJoinRule(changing)
  const deleteJoinRule = makeDeleteJoinRule(changing)
  const verbs: JoiningVerbs = {
    enroll: (source, body) => gate.run(source, body.method, () => enroll(source, body)),
    createJoinToken: makeCreateJoinToken({ ...changing, commandFor }),
    revokeJoinToken: makeRevokeJoinToken(changing),
    createJoinRule: (...call) => createJoinRule(...call).finally(forget),
    updateJoinRule: (...call) => updateJoinRule(...call).finally(forget),
    deleteJoinRule: (...call) => deleteJoinRule(...call).finally(forget),
    testJoinRule: makeTestJoinRule(changing),
  }
  return {
    verbs,
    /** Writes the counts of refused joins of the minutes that are over. */
    sweep: audit.sweep,
    /** Deletes principals of tasks and runs that are over. */
    removeDeparted: makeRemoveDeparted({ registry, clock, onFailure }).run,
  }
}
