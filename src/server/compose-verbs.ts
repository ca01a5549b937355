import { makeActivatePrincipal } from '../authority/activate-principal.ts'
import { makeAgentQueries } from '../authority/agent-queries.ts'
import { makeAuditQueries } from '../authority/audit-queries.ts'
import { makeCreatePrincipal } from '../authority/create-principal.ts'
import { makeDeletePrincipal } from '../authority/delete-principal.ts'
import { makeFinishCommand } from '../authority/finish-command.ts'
import { makeIssue } from '../authority/issue.ts'
import type { IssuingDeps } from '../authority/issuing.ts'
import { makeQueries } from '../authority/queries.ts'
import { makeRegisterAdmin } from '../authority/register-admin.ts'
import { makeRenew } from '../authority/renew.ts'
import { makeReportStatus } from '../authority/report-status.ts'
import { makeRevoke } from '../authority/revoke.ts'
import { makeSendCommand } from '../authority/send-command.ts'
import { makeGetRevocation, makeStartRevocation } from '../authority/start-revocation.ts'
import { makeSuspendPrincipal } from '../authority/suspend-principal.ts'
import { makeUpdatePrincipal } from '../authority/update-principal.ts'
import type { Registry } from '../store/registry.ts'
import type { Hub } from './agents/hub.ts'
import { announce } from './announce.ts'
import type { AuthoritySteps } from './authority-steps.ts'
import type { JoiningVerbs } from './joining.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Plane, Verbs } from './plane.ts'

export interface VerbsDeps {
  registry: Registry
  issuing: IssuingDeps
  massRevocation: Parameters<typeof makeStartRevocation>[0]
  /** Unix milliseconds after which no certificate ends. */
  horizon: () => number
  agents: Pick<Hub, 'heard' | 'reportAfter'>
  renewalWindow: Parameters<typeof makeReportStatus>[0]['renewalWindow']
  /** Joining, and the steps of a rotation: put together elsewhere. */
  others: JoiningVerbs & AuthoritySteps['verbs']
  dropDecisions: (principalId: string) => void
  clock: () => number
  log: Log
  metrics: Metrics
}

/** What admitted callers can ask for, each verb told to log and metrics. */
export const composeVerbs = (deps: VerbsDeps): { verbs: Verbs; registerAdmin: Plane['registerAdmin'] } => {
  const { registry, issuing, massRevocation, horizon, agents, renewalWindow, clock, log, metrics } = deps
  const changing = { registry, clock }
  const issue = makeIssue({ ...issuing, registry })
  const createPrincipal = makeCreatePrincipal(changing)
  const verbs: Verbs = announce(
    {
      ...makeQueries({ registry, clock, horizon }),
      ...makeAuditQueries({ registry }),
      createPrincipal,
      updatePrincipal: makeUpdatePrincipal(changing),
      suspendPrincipal: makeSuspendPrincipal(changing),
      activatePrincipal: makeActivatePrincipal(changing),
      deletePrincipal: makeDeletePrincipal(changing),
      issueCertificate: issue,
      renewCertificate: makeRenew({ ...issuing, registry }),
      revokeCertificate: makeRevoke(changing),
      startRevocation: makeStartRevocation(massRevocation),
      getRevocation: makeGetRevocation(massRevocation),
      ...makeAgentQueries({ registry, clock }),
      reportStatus: makeReportStatus({
        registry,
        clock,
        heard: agents.heard,
        renewalWindow,
        reportAfter: agents.reportAfter,
      }),
      sendCommand: makeSendCommand(changing),
      finishCommand: makeFinishCommand(changing),
      ...deps.others,
    },
    { log, metrics, dropDecisions: deps.dropDecisions },
  )
  return { verbs, registerAdmin: makeRegisterAdmin({ registry, createPrincipal, issue }) }
}
