import cluster from 'node:cluster'
import type { Addresses } from './listeners.ts'
import { type Log, makeLog } from './log.ts'
import type { Checked } from './run-process.ts'

/** After what nobody foresaw, nothing that this process believes is worth anything. */
const endOnUnknownState = (log: Log) => {
  const end = (event: string) => (err: unknown) => {
    log.error({ event, err: err instanceof Error ? err : new Error(String(err)) })
    process.exit(1)
  }
  process.on('uncaughtException', end('uncaught_exception'))
  process.on('unhandledRejection', end('unhandled_rejection'))
}

/** Runs the server, or a fraction of it, until it is told to stop. Answers the exit code. */
export const start = async (
  { config, first, reader, kms }: Checked,
  args: string[],
  onReady?: (addresses: Addresses) => void,
): Promise<number> => {
  const { logLevel: level, logFormat: format } = config
  const worker = cluster.worker?.id
  const log = await makeLog({ level, format, ...(worker === undefined ? {} : { worker }) })
  endOnUnknownState(log)
  if (config.workers > 1 && cluster.isPrimary) {
    const { runPrimary } = await import('./workers.ts')
    return runPrimary({ config, log, args, onReady })
  }
  const { runProcess } = await import('./run-process.ts')
  return runProcess({ config, first, reader, kms, log, onReady })
}
