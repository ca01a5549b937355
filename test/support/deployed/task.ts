import type { Aws } from './run.ts'

export interface Task {
  /** As JSON, for looking for what must not be in it. */
  text: string
  command: string[]
  environment: Record<string, string>
  /** Name → ARN of a parameter or secret. */
  secrets: Record<string, string>
  taskRole: string
  executionRole: string
}

interface Named {
  name: string
  value?: string
  valueFrom?: string
}

/** What the service of a cluster runs. */
export const readTask = async (aws: Aws, cluster: string, service: string): Promise<Task> => {
  const { services } = await aws('ecs', 'describe-services', '--cluster', cluster, '--services', service)
  const { taskDefinition } = await aws(
    'ecs',
    'describe-task-definition',
    '--task-definition',
    services[0].taskDefinition,
  )
  const [container, ...others] = taskDefinition.containerDefinitions
  if (others.length > 0) throw new Error('the task has several containers')
  const record = (list: Named[], of: 'value' | 'valueFrom') =>
    Object.fromEntries(list.map((each) => [each.name, String(each[of])]))
  return {
    text: JSON.stringify(taskDefinition),
    command: container.command,
    environment: record(container.environment, 'value'),
    secrets: record(container.secrets, 'valueFrom'),
    taskRole: taskDefinition.taskRoleArn,
    executionRole: taskDefinition.executionRoleArn,
  }
}

/** What ECS does before it starts a container: reads each origin, in the name of the execution role. */
export const resolveSecrets = async (
  executionAws: Aws,
  secrets: Record<string, string>,
): Promise<Record<string, string>> => {
  const parameters = Object.values(secrets).filter((arn) => arn.includes(':parameter/'))
  const values = new Map<string, string>()
  if (parameters.length > 0) {
    const { Parameters } = await executionAws('ssm', 'get-parameters', '--with-decryption', '--names', ...parameters)
    for (const { ARN, Value } of Parameters) values.set(ARN, Value)
  }
  for (const arn of Object.values(secrets).filter((arn) => arn.includes(':secret:')))
    values.set(arn, (await executionAws('secretsmanager', 'get-secret-value', '--secret-id', arn)).SecretString)
  return Object.fromEntries(
    Object.entries(secrets).map(([name, arn]) => {
      const value = values.get(arn)
      if (value === undefined) throw new Error(`${name}: nothing at ${arn}`)
      return [name, value]
    }),
  )
}

/** The task's command on this machine: every port of a listener becomes a free one of the loopback, and nothing else changes. */
export const onFreePorts = (command: string[]): string[] =>
  command.map((word, at) =>
    /^--\w+-listen$/.test(command[at - 1] ?? '') ? word.replace(/^0\.0\.0\.0:\d+$/, '127.0.0.1:0') : word,
  )
