import type { Server } from 'node:http'
import type { CidrSet } from './cidr.ts'
import { makePlainServer, sendText } from './plain-http.ts'
import { acceptProxyHeader } from './proxy-protocol.ts'
import { handshakeTimeout } from './tls.ts'

export interface HealthDeps {
  /** True from the first signal to stop. */
  draining(): boolean
  /** Names of the readiness checks that fail now. */
  failingChecks(): string[]
  /** Balancers whose checks may begin with a PROXY header. */
  proxies?: CidrSet | undefined
}

/**
 * Probes. `/livez` says that the event loop turns, `/health` that new connections are welcome, `/readyz` that requests
 * would succeed. Only the last looks at the store: an outage of it must not make an orchestrator kill every task.
 */
export const makeHealthServer = ({ draining, failingChecks, proxies }: HealthDeps): Server => {
  const server = makePlainServer((path, _request, response) => {
    response.setHeader('Cache-Control', 'no-store')
    if (path === '/livez') sendText(response, 200, 'ok')
    else if (path === '/health') sendText(response, draining() ? 503 : 200, draining() ? 'draining' : 'ok')
    else if (path === '/readyz') {
      const failing = draining() ? ['draining', ...failingChecks()] : failingChecks()
      sendText(response, failing.length > 0 ? 503 : 200, failing.length > 0 ? failing.join('\n') : 'ok')
    } else return false
    return true
  })
  if (proxies !== undefined) acceptProxyHeader(server, proxies, handshakeTimeout)
  return server
}
