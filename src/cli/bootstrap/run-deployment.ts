import type { X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import { toRfc3339 } from '../../core/time.ts'
import { confirm, confirmWord, requireConfirmable } from '../prompt.ts'
import type { Session } from '../session.ts'
import { oneLine } from '../text.ts'
import { addContext } from './context.ts'
import { type BootstrapFlags, environmentOf, hostnameOf, runOwner, tablesOf } from './options.ts'
import { stepLine } from './steps.ts'

const rootLine = (root: X509Certificate): string =>
  `sha256:${root.fingerprint256.replaceAll(':', '').toLowerCase()}, until ${toRfc3339(root.validToDate.getTime())}`

/** `airunner bootstrap` for a deployment in AWS: all six steps, and the service. */
export const runDeployment = async (session: Session, flags: BootstrapFlags): Promise<void> => {
  const { io } = session
  const region = flags.awsRegion ?? (io.env['AWS_REGION'] || undefined)
  const hostname = hostnameOf(flags)
  const yes = flags.yes === true
  if (flags.forceNewCa === true) requireConfirmable(io, 'replacing the CA', yes)
  if (flags.rotateServerCert === true) requireConfirmable(io, 'replacing the server certificate', yes)

  const prefix = `/${flags.application}/${environmentOf(flags)}`
  const [{ bootstrapDeployment }, { openParameterStore }, { openSecretsManager }] = await Promise.all([
    import('../../authority/bootstrap/deployment.ts'),
    import('./parameter-store.ts'),
    import('./secrets-manager.ts'),
  ])
  const parameters = openParameterStore(prefix, region)
  const secrets = openSecretsManager(prefix, region)
  let changed = false
  try {
    const made = await bootstrapDeployment({
      output_dir: resolve(flags.outputDir),
      hostname,
      admin_id: flags.adminId,
      tables: tablesOf(flags, io.env),
      ...(region === undefined ? {} : { region }),
      oid_arc: flags.oidArc,
      parameters,
      secrets,
      ...(flags.kmsIssuerKey === undefined
        ? {}
        : { kms_issuer_key: flags.kmsIssuerKey === 'none' ? false : flags.kmsIssuerKey }),
      issuer_key_alias: `alias/${flags.application}-${environmentOf(flags)}-issuer`,
      accept_roots: flags.acceptRoot ?? [],
      force_new_ca: flags.forceNewCa === true,
      rotate_server_cert: flags.rotateServerCert === true,
      recover_admin: flags.recoverAdmin === true,
      owner: runOwner(),
      signal: io.signal,
      onStep: (step) => {
        changed ||= !['found', 'missing', 'passed'].includes(step.outcome)
        io.stderr.write(stepLine(step))
      },
      onWait: (other) => {
        io.stderr.write(
          `Another bootstrap of this deployment began and has not ended (${oneLine(other)}): watching it.\n`,
        )
      },
      approveNewCa: async (current, issuerKeyStays) => {
        const which = current === undefined ? 'its key is lost' : rootLine(current)
        await session.note(`This deployment has a root (${which}). With a new one:`)
        await session.note(
          issuerKeyStays
            ? '- certificates issued so far stay good, for the issuer’s key in KMS stays: name another with --kms-issuer-key to end them;'
            : '- every certificate issued so far is refused as soon as servers have read the new values;',
        )
        await session.note('- every agent must be given the new root, and enrol again;')
        await session.note('- the old keys stay in the secret ca-key, as its previous version.')
        await confirmWord(io, `Put a new CA in its place`, hostname, yes)
      },
      approveRotation: async (current) => {
        const until = toRfc3339(current.validToDate.getTime())
        await session.note(
          `The server certificate ${current.serialNumber.toLowerCase()} is good until ${until}. Servers that watch the Parameter Store take over the new one within 5 minutes; open connections live on.`,
        )
        await confirm(io, 'Put a new key and certificate in its place', yes)
      },
    })

    const { files, admin } = made.admin
    if (files !== undefined) {
      const entry = {
        server: `https://${hostname}`,
        cacert: files.caCert,
        client_cert: files.adminCert,
        client_key: files.adminKey,
      }
      const line = await addContext(io.env, `${flags.application}-${environmentOf(flags)}`, entry)
      if (line !== undefined) await session.note(line)
    }
    let running: number | undefined
    if (flags.ecsCluster !== undefined && flags.ecsService !== undefined) {
      const { startService } = await import('./ecs-service.ts')
      const started = await startService({
        cluster: flags.ecsCluster,
        service: flags.ecsService,
        region,
        desiredCount: flags.desiredCount,
        timeout: flags.wait,
        signal: io.signal,
        note: session.note,
      })
      changed ||= started.changed
      running = started.running
    }
    await session.note(changed ? `Ready: https://${hostname}` : 'Nothing changed: everything was there.')
    await session.print().record(
      { name: () => admin.principal_id },
      {
        hostname,
        changed,
        ca_fingerprint: `sha256:${made.root_sha256}`,
        issuer_id: made.issuer_id,
        ...(made.kms_issuer_key === undefined ? {} : { kms_issuer_key: made.kms_issuer_key }),
        server_expires_at: toRfc3339(made.server_expires_at),
        admin_id: admin.principal_id,
        admin_serial_number: admin.serial_number,
        admin_expires_at: toRfc3339(admin.expires_at),
        ...(files === undefined
          ? {}
          : { ca_cert: files.caCert, admin_cert: files.adminCert, admin_key: files.adminKey }),
        ...(running === undefined ? {} : { running_tasks: running }),
      },
    )
  } finally {
    parameters.close()
    secrets.close()
  }
}
