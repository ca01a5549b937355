import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What an agent tells of itself. */
export interface Vitals {
  /** Seconds until the certificate ends, by the best estimate of the time; undefined without a certificate. */
  expiresIn: number | undefined
  /** Seconds until it is renewed. */
  renewsIn: number | undefined
  connected: boolean
  renewals: { succeeded: number; failed: number }
  joins: { succeeded: number; failed: number }
  hooks: { succeeded: number; failed: number }
  commands: { succeeded: number; failed: number }
  /** The state directory could not be written when it was last tried. */
  stateProblem: boolean
}

/** Prometheus text format. @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const renderMetrics = (vitals: Vitals): string => {
  const lines: string[] = []
  const metric = (name: string, type: 'gauge' | 'counter', help: string, values: [labels: string, value: number][]) => {
    if (values.length === 0) return
    lines.push(`# HELP airunner_agent_${name} ${help}`, `# TYPE airunner_agent_${name} ${type}`)
    for (const [labels, value] of values) lines.push(`airunner_agent_${name}${labels} ${value}`)
  }
  const gauge = (value: number | undefined): [string, number][] => (value === undefined ? [] : [['', value]])
  const outcomes = ({ succeeded, failed }: { succeeded: number; failed: number }): [string, number][] => [
    ['{outcome="succeeded"}', succeeded],
    ['{outcome="failed"}', failed],
  ]
  metric('certificate_expiry_seconds', 'gauge', 'Time until the certificate ends.', gauge(vitals.expiresIn))
  metric('renewal_due_seconds', 'gauge', 'Time until the certificate is renewed.', gauge(vitals.renewsIn))
  metric('connected', 'gauge', 'Whether the event stream stands.', [['', Number(vitals.connected)]])
  metric('state_problem', 'gauge', 'Whether the state directory could not be written.', [
    ['', Number(vitals.stateProblem)],
  ])
  metric('renewals_total', 'counter', 'Renewals.', outcomes(vitals.renewals))
  metric('joins_total', 'counter', 'Joins and rejoins.', outcomes(vitals.joins))
  metric('hooks_total', 'counter', 'Hooks that were run.', outcomes(vitals.hooks))
  metric('commands_total', 'counter', 'Commands that were acted on.', outcomes(vitals.commands))
  metric('resident_memory_bytes', 'gauge', 'Resident memory.', [['', process.memoryUsage.rss()]])
  return `${lines.join('\n')}\n`
}

export interface HealthServer {
  address: string
  close(): void
}

/** `/livez` and `/metrics` over plain HTTP. Throws when the address cannot be listened on. */
export const startHealth = (listen: { host: string; port: number }, vitals: () => Vitals): Promise<HealthServer> =>
  new Promise((resolve, reject) => {
    const server: Server = createServer({ headersTimeout: 5000, requestTimeout: 5000 }, (request, response) => {
      const path = request.url?.split('?')[0]
      const known = path === '/livez' || path === '/metrics'
      const allowed = request.method === 'GET' || request.method === 'HEAD'
      response.writeHead(!known ? 404 : allowed ? 200 : 405, {
        'content-type': path === '/metrics' ? 'text/plain; version=0.0.4; charset=utf-8' : 'text/plain; charset=utf-8',
        connection: 'close',
      })
      response.end(
        !known || !allowed || request.method === 'HEAD' ? '' : path === '/livez' ? 'ok\n' : renderMetrics(vitals()),
      )
    })
    server.maxConnections = 64
    server.once('error', reject)
    server.listen(listen.port, listen.host, () => {
      server.unref()
      const { address, port, family } = server.address() as AddressInfo
      resolve({
        address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
        close: () => {
          server.close()
          server.closeAllConnections()
        },
      })
    })
  })
