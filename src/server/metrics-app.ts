import type { Server } from 'node:http'
import { makePlainServer, send } from './plain-http.ts'

export interface MetricsSource {
  contentType: string
  text(): Promise<string>
}

/** `/metrics` in Prometheus text format. */
export const makeMetricsServer = (source: MetricsSource): Server =>
  makePlainServer(async (path, _request, response) => {
    if (path !== '/metrics') return false
    send(response, 200, source.contentType, await source.text())
    return true
  })
