import { resolve } from 'node:path'
import type { Session } from '../session.ts'
import { type BootstrapFlags, hostnameOf, tablesOf } from './options.ts'
import { stepLine } from './steps.ts'

/** Paths by the names that the rest of our documents use. */
const filesOnWire = (files: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(files).map(([key, path]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), path]),
  )

/** `airunner bootstrap --local`: files and tables, and nothing else. */
export const runLocal = async (session: Session, flags: BootstrapFlags): Promise<void> => {
  // As the SDK reads it; no other variable of it means an emulator.
  const endpoint = session.io.env['AWS_ENDPOINT_URL_DYNAMODB'] || session.io.env['AWS_ENDPOINT_URL']
  const hostname = hostnameOf(flags)
  const { runLocalBootstrap } = await import('../../authority/bootstrap/local.ts')
  let changed = false
  const files = await runLocalBootstrap({
    output_dir: resolve(flags.outputDir),
    hostname,
    admin_id: flags.adminId,
    tables: tablesOf(flags, session.io.env),
    oid_arc: flags.oidArc,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(flags.awsRegion === undefined ? {} : { region: flags.awsRegion }),
    onStep: (step) => {
      changed ||= step.outcome !== 'found'
      session.io.stderr.write(stepLine(step))
    },
  })
  await session.note('[5/6] upload: left out (--local)')
  await session.note('[6/6] verification: left out (--local)')
  await session.note(changed ? `Ready: ${resolve(flags.outputDir)}` : 'Nothing changed: everything was there.')
  await session
    .print()
    .record({ name: () => flags.adminId }, { hostname, admin_id: flags.adminId, changed, ...filesOnWire({ ...files }) })
}
