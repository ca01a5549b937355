import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTasksCommand,
  type Service,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
import { second } from '../../core/time.ts'
import { CliError, exitCode } from '../errors.ts'
import { sleep } from '../io.ts'
import { awsRefusal, callAws } from './aws-failures.ts'
import { clientOptions } from './client-options.ts'

export interface ServiceStart {
  cluster: string
  service: string
  region: string | undefined
  /** Tasks to start when there are none; a service that runs already keeps its number. */
  desiredCount: number
  /** Longest wait for its health, milliseconds. */
  timeout: number
  signal: AbortSignal
  note(line: string): Promise<void>
}

const lookEvery = 3 * second

const primaryOf = ({ deployments = [] }: Service) => deployments.find(({ status }) => status === 'PRIMARY')

/**
 * Every task of the deployment runs, and the balancer finds it healthy: only then does ECS call it completed. Of another
 * deployment it says nothing.
 */
const isHealthy = (service: Service, id: string | undefined): boolean => {
  const { desiredCount = 0, runningCount = 0, deployments = [] } = service
  const primary = primaryOf(service)
  return (
    desiredCount > 0 &&
    runningCount === desiredCount &&
    deployments.every((each) => each === primary || !each.runningCount) &&
    primary?.id === id &&
    primary?.rolloutState === 'COMPLETED'
  )
}

/** The deployment has failed, or another has taken its place: that of a rollback. One not yet shown has not. */
const hasFailed = ({ deployments = [] }: Service, id: string | undefined): boolean =>
  deployments.some((each) => each.id === id && (each.rolloutState === 'FAILED' || each.status !== 'PRIMARY'))

const progressOf = (service: Service): string => {
  const { desiredCount = 0, runningCount = 0 } = service
  const state = primaryOf(service)?.rolloutState?.toLowerCase().replace('_', ' ')
  return `${runningCount} of ${desiredCount} tasks running${state === undefined ? '' : `, deployment ${state}`}`
}

/** Why the last task ended that did not stay. */
const lastStop = async (client: ECSClient, { cluster, service }: ServiceStart): Promise<string | undefined> => {
  const { taskArns = [] } = await client.send(
    new ListTasksCommand({ cluster, serviceName: service, desiredStatus: 'STOPPED' }),
  )
  if (taskArns.length === 0) return undefined
  const { tasks = [] } = await client.send(new DescribeTasksCommand({ cluster, tasks: taskArns.slice(0, 100) }))
  const [last] = tasks.sort((one, other) => Number(other.stoppedAt ?? 0) - Number(one.stoppedAt ?? 0))
  const containers = (last?.containers ?? []).map(({ name, exitCode: code, reason }) =>
    [name, code === undefined ? '' : `exit ${code}`, reason ?? ''].filter((part) => part !== '').join(' '),
  )
  return [last?.stoppedReason ?? '', ...containers].filter((part) => part !== '').join('; ') || undefined
}

/**
 * Starts the service, whose desired count is 0 until its secrets exist, and waits for its health; one whose deployment has
 * failed gets another. A run that is cut off leaves a deployment that the next waits for. True if it was started.
 */
export const startService = async (start: ServiceStart): Promise<{ changed: boolean; running: number }> => {
  const { cluster, service, region, desiredCount, timeout, signal, note } = start
  const client = new ECSClient(clientOptions(region))
  const look = async (): Promise<Service> => {
    const answer = await callAws(`look at the service ${service}`, region, () =>
      client.send(new DescribeServicesCommand({ cluster, services: [service] })),
    ).catch((error: unknown) => {
      if ((error as { cause?: Error }).cause?.name === 'ClusterNotFoundException') throw missing('cluster', cluster)
      throw error
    })
    const found = answer.services?.find(({ status }) => status === 'ACTIVE')
    if (found === undefined) throw missing('service', `${service} in the cluster ${cluster}`)
    return found
  }
  const missing = (kind: string, name: string) =>
    new CliError(exitCode.notFound, `there is no ECS ${kind} ${name}`, {
      next: 'Check --ecs-cluster, --ecs-service and --aws-region; `terraform output` has their names.',
    })
  const failed = async (what: string) => {
    const why = await lastStop(client, start).catch((error: unknown) => awsRefusal(error, '', region)?.why)
    return new CliError(exitCode.unavailable, what, {
      ...(why === undefined ? {} : { why: `The last task that stopped: ${why}` }),
      next: 'Everything is uploaded; look at the log group of the service, then run this again.',
    })
  }

  try {
    let current = await look()
    const stopped = (current.desiredCount ?? 0) === 0
    const changed = stopped || primaryOf(current)?.rolloutState === 'FAILED'
    if (changed) {
      // A count alone begins no deployment, and the one before it is completed whatever becomes of its tasks.
      const wanted = { cluster, service, forceNewDeployment: true, ...(stopped ? { desiredCount } : {}) }
      const started = await callAws(`start the service ${service}`, region, () =>
        client.send(new UpdateServiceCommand(wanted)),
      )
      await note(
        `Starting ${wanted.desiredCount ?? current.desiredCount} tasks of ${service}; waiting for their health.`,
      )
      current = started.service ?? (await look())
    }
    const { id } = primaryOf(current) ?? {}
    const until = performance.now() + timeout
    let told = ''
    while (!isHealthy(current, id)) {
      if (hasFailed(current, id)) throw await failed(`the deployment of ${service} has failed`)
      if (performance.now() > until) throw await failed(`${service} is not healthy yet: ${progressOf(current)}`)
      if (told !== progressOf(current)) await note(progressOf(current))
      told = progressOf(current)
      await sleep(lookEvery, signal)
      current = await look()
    }
    await note(`${service}: ${progressOf(current)}`)
    return { changed, running: current.runningCount ?? 0 }
  } finally {
    client.destroy()
  }
}
