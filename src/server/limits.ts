import type { ServerOptions } from 'node:http'
import { second } from '../core/time.ts'

/** Idle connections end before a Network Load Balancer forgets them silently after 350 s. Milliseconds. */
export const idleKeepAlive = 340 * second

/** The same for peers that have shown no certificate: joining takes one connection, and a short one. Milliseconds. */
export const anonymousKeepAlive = 10 * second

/** Limits of every HTTP server here; slow senders are cut a quarter of a second after a limit at the latest. */
export const httpLimits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 5 * second,
  requestTimeout: 10 * second,
  connectionsCheckingInterval: second / 4,
  keepAliveTimeout: idleKeepAlive,
} as const satisfies ServerOptions
