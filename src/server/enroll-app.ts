import type { Logger } from 'pino'
import { type Clock, systemClock } from '../core/time.ts'
import type { Plane } from './plane.ts'
import { type HttpApp, makeBaseApp } from './plugins/base-app.ts'
import { addTrustBundle } from './routes/trust-bundle.ts'

export interface EnrollAppDeps {
  plane: Pick<Plane, 'trustBundle'>
  log: Logger
  clock?: Clock
}

/** Public trust material, and later joining: for peers without a certificate, who are told no more than a code. */
export const makeEnrollApp = async ({ plane, log, clock = systemClock }: EnrollAppDeps): Promise<HttpApp> => {
  const base = await makeBaseApp({ log, clock, mayKnow: () => false })
  addTrustBundle(base.app, () => plane.trustBundle())
  await base.app.ready()
  return base
}
