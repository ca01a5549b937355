import { systemClock } from '../../core/time.ts'
import type { KmsSigner } from '../../pki/kms-signer.ts'
import { TrustProblem } from '../../pki/trust.ts'
import { type BootstrapRecords, makeBootstrapRecords } from '../../store/bootstrap-record.ts'
import { openStore } from '../../store/client.ts'
import { withRegistry } from '../../store/lone-registry.ts'
import type { Registry } from '../../store/registry.ts'
import type { Tables } from '../../store/schema.ts'
import { BootstrapProblem } from './keys.ts'
import { withBootstrapLease } from './lease.ts'
import { mustAnswer } from './preflight.ts'
import type { ParameterShelf, SecretShelf } from './shelves.ts'

/** Where a deployment in AWS is, and who is at work on it. */
export interface DeploymentPlace {
  tables: Tables
  region?: string
  parameters: ParameterShelf
  secrets: SecretShelf
  /** Of this run alone, and telling a person who it is: `RUN who`. */
  owner: string
  /** Nothing more is written once it is aborted. */
  signal: AbortSignal
  /** Told when another run stands in the way, before it is watched for a sign of life. */
  onWait(owner: string): void
}

/** What a run works with while it is the only one. */
export interface OpenDeployment {
  registry: Registry
  records: BootstrapRecords
  /** They check, before each write, that this run is still the only one. */
  parameters: ParameterShelf
  secrets: SecretShelf
  /** Throws as soon as it is no longer certain that no other run is at work; for how long it is: milliseconds. */
  mine(): number
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

/** A key in KMS that can be an issuer's. Throws BootstrapProblem when it cannot. */
export const openIssuerKey = async (keyId: string, region: string | undefined): Promise<KmsSigner> => {
  const { openKmsSigner } = await import('../../pki/kms-signer.ts')
  try {
    return await openKmsSigner({ keyId, ...(region === undefined ? {} : { client: { region } }) })
  } catch (cause) {
    if (!(cause instanceof TrustProblem)) throw cause
    throw new BootstrapProblem(`${keyId} cannot be the key of an issuer: ${cause.message}`, {
      next: 'Give --kms-issuer-key another key, or `none`.',
      cause,
    })
  }
}

/** The alias, when there is a key of that name that can be an issuer's, and we may look at it. */
export const findWaitingKey = async (alias: string, region: string | undefined): Promise<string | undefined> => {
  try {
    await (await openIssuerKey(alias, region)).close()
    return alias
  } catch (error) {
    const { name = '' } = (error as { cause?: Error }).cause ?? {}
    if (error instanceof BootstrapProblem || /NotFound|AccessDenied|NotAuthorized/.test(name)) return undefined
    throw error
  }
}

/** Everything below checks, before each write, that this run is still the only one; no try outlives that. */
const guarded = ({ parameters, secrets }: DeploymentPlace, mine: () => number) => {
  const guard = async (write: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    const signal = AbortSignal.timeout(mine())
    try {
      await write(signal)
    } catch (error) {
      if (signal.aborted) mine()
      throw error
    }
  }
  return {
    parameters: {
      read: parameters.read,
      write: (name, text, more) => guard((signal) => parameters.write(name, text, { ...more, signal })),
      serverKeyEncryption: parameters.serverKeyEncryption,
    } satisfies ParameterShelf,
    secrets: {
      versions: secrets.versions,
      read: secrets.read,
      stage: (name, version, text) => guard((signal) => secrets.stage(name, version, text, signal)),
      promote: (name, version, from) => guard((signal) => secrets.promote(name, version, from, signal)),
    } satisfies SecretShelf,
  }
}

/** Runs `run` on a deployment whose tables, parameters and secrets have answered, while nobody else does. */
export const withDeployment = async <T>(
  place: DeploymentPlace,
  run: (opened: OpenDeployment) => Promise<T>,
): Promise<T> => {
  const store = openStore({ tables: place.tables, ...(place.region === undefined ? {} : { region: place.region }) })
  try {
    // Nothing is made before everything that will be needed has answered.
    await mustAnswer(store)
    await place.parameters.read()
    await place.secrets.versions('ca-key')
    await place.secrets.versions('issuer-key')
    const records = makeBootstrapRecords(store)
    return await withRegistry(store, systemClock, (registry) => {
      const lease = {
        leases: registry.workLeases,
        records,
        owner: place.owner,
        clock: systemClock,
        wait: pause,
        onWait: place.onWait,
      }
      return withBootstrapLease(lease, (held) => {
        const mine = () => {
          place.signal.throwIfAborted()
          return held()
        }
        return run({ registry, records, ...guarded(place, mine), mine })
      })
    })
  } finally {
    store.close()
  }
}
