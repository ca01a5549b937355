import type { Aws } from './run.ts'

/** Where the deployment is, for those who break it. */
export interface Place {
  aws: Aws
  account: string
  region: string
  /** `<application>-<environment>`, the name of nearly everything. */
  prefix: string
  /** `/<application>/<environment>` */
  parameters: string
  tables: { principals: string; certificates: string; control: string }
}

export interface Breakage {
  /** The one promise that verify.sh must then call broken. */
  promise: string
  /** Whose part of verify.sh it is. */
  part: string
  /** Breaks it by hand, and says how it is mended. */
  by(place: Place): Promise<() => Promise<unknown>>
}

const targetGroup = async ({ aws, prefix }: Place, door: string): Promise<string> =>
  (await aws('elbv2', 'describe-target-groups', '--names', `${prefix}-${door}`)).TargetGroups[0].TargetGroupArn

const attribute = async ({ aws }: Place, arn: string, key: string, value: string): Promise<unknown> =>
  aws('elbv2', 'modify-target-group-attributes', '--target-group-arn', arn, '--attributes', `Key=${key},Value=${value}`)

/** What somebody with the AWS CLI can do wrong in one line, one for each kind of thing that is deployed. */
export const breakages: Breakage[] = [
  {
    promise: 'tables-pitr',
    part: 'tables',
    by: async ({ aws, tables }) => {
      const set = (on: boolean) =>
        aws(
          ...['dynamodb', 'update-continuous-backups', '--table-name', tables.certificates],
          ...['--point-in-time-recovery-specification', `PointInTimeRecoveryEnabled=${on}`],
        )
      await set(false)
      return () => set(true)
    },
  },
  {
    promise: 'tables-deletion-protection',
    part: 'tables',
    by: async ({ aws, tables }) => {
      const set = (flag: string) => aws('dynamodb', 'update-table', '--table-name', tables.principals, flag)
      await set('--no-deletion-protection-enabled')
      return () => set('--deletion-protection-enabled')
    },
  },
  {
    promise: 'keys-rotate',
    part: 'keys',
    by: async ({ aws, prefix }) => {
      const { KeyMetadata } = await aws('kms', 'describe-key', '--key-id', `alias/${prefix}-secrets`)
      await aws('kms', 'disable-key-rotation', '--key-id', KeyMetadata.KeyId)
      return () => aws('kms', 'enable-key-rotation', '--key-id', KeyMetadata.KeyId)
    },
  },
  {
    promise: 'proxy-protocol-on-tls-target-groups',
    part: 'balancer',
    by: async (place) => {
      const arn = await targetGroup(place, 'enroll')
      await attribute(place, arn, 'proxy_protocol_v2.enabled', 'false')
      return () => attribute(place, arn, 'proxy_protocol_v2.enabled', 'true')
    },
  },
  {
    promise: 'client-ip-not-preserved',
    part: 'balancer',
    by: async (place) => {
      const arn = await targetGroup(place, 'mtls')
      await attribute(place, arn, 'preserve_client_ip.enabled', 'true')
      return () => attribute(place, arn, 'preserve_client_ip.enabled', 'false')
    },
  },
  {
    promise: 'target-group-443-health-check',
    part: 'balancer',
    by: async (place) => {
      const arn = await targetGroup(place, 'mtls')
      const set = (path: string) =>
        place.aws('elbv2', 'modify-target-group', '--target-group-arn', arn, '--health-check-path', path)
      await set('/livez')
      return () => set('/health')
    },
  },
  {
    promise: 'ca-key-admin-only',
    part: 'secrets',
    by: async ({ aws, parameters, account }) => {
      const secret = ['--secret-id', `${parameters}/ca-key`]
      const { ResourcePolicy } = await aws('secretsmanager', 'get-resource-policy', ...secret)
      const policy = JSON.parse(ResourcePolicy)
      for (const statement of policy.Statement)
        if (statement.Sid === 'ReadByNobodyElse')
          statement.Condition.ArnNotEquals['aws:PrincipalArn'] = [
            statement.Condition.ArnNotEquals['aws:PrincipalArn'],
            `arn:aws:iam::${account}:role/somebody`,
          ].flat()
      const put = (text: string) => aws('secretsmanager', 'put-resource-policy', ...secret, '--resource-policy', text)
      await put(JSON.stringify(policy))
      return () => put(ResourcePolicy)
    },
  },
  {
    promise: 'task-role-no-wildcard',
    part: 'roles',
    by: async ({ aws, prefix }) => {
      const policy = ['--role-name', `${prefix}-task`, '--policy-name', 'by-hand']
      const document = { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'dynamodb:*', Resource: '*' } }
      await aws('iam', 'put-role-policy', ...policy, '--policy-document', JSON.stringify(document))
      return () => aws('iam', 'delete-role-policy', ...policy)
    },
  },
  {
    promise: 'execution-role-trust',
    part: 'roles',
    by: async ({ aws, prefix, account }) => {
      const role = ['--role-name', `${prefix}-execution`]
      const { Role } = await aws('iam', 'get-role', ...role)
      const put = (document: object) =>
        aws('iam', 'update-assume-role-policy', ...role, '--policy-document', JSON.stringify(document))
      const [statement] = Role.AssumeRolePolicyDocument.Statement
      await put({
        ...Role.AssumeRolePolicyDocument,
        Statement: [
          statement,
          { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: `arn:aws:iam::${account}:root` } },
        ],
      })
      return () => put(Role.AssumeRolePolicyDocument)
    },
  },
  {
    promise: 'task-read-only-root',
    part: 'service',
    by: async ({ aws, prefix }) => {
      const service = ['--cluster', prefix, '--service', 'rpc-server']
      const { services } = await aws('ecs', 'describe-services', '--cluster', prefix, '--services', 'rpc-server')
      const running = ['--task-definition', services[0].taskDefinition]
      const { taskDefinition } = await aws('ecs', 'describe-task-definition', ...running)
      const [container] = taskDefinition.containerDefinitions
      const revision = {
        ...Object.fromEntries(
          ['family', 'taskRoleArn', 'executionRoleArn', 'networkMode', 'requiresCompatibilities', 'cpu', 'memory'].map(
            (name) => [name, taskDefinition[name]],
          ),
        ),
        containerDefinitions: [{ ...container, readonlyRootFilesystem: false }],
      }
      const made = await aws('ecs', 'register-task-definition', '--cli-input-json', JSON.stringify(revision))
      const run = (arn: string) => aws('ecs', 'update-service', ...service, '--task-definition', arn)
      await run(made.taskDefinition.taskDefinitionArn)
      return async () => {
        await run(taskDefinition.taskDefinitionArn)
        await aws('ecs', 'deregister-task-definition', '--task-definition', made.taskDefinition.taskDefinitionArn)
      }
    },
  },
  {
    promise: 'server-certificate-good',
    part: 'secrets',
    by: async ({ aws, parameters }) => {
      const read = async (name: string): Promise<string> =>
        (await aws('ssm', 'get-parameter', '--name', `${parameters}/${name}`)).Parameter.Value
      const put = (value: string) =>
        aws('ssm', 'put-parameter', '--overwrite', '--name', `${parameters}/server-cert`, '--value', value)
      const before = await read('server-cert')
      await put(await read('ca-cert'))
      return () => put(before)
    },
  },
  {
    promise: 'data-subnets-no-route-out',
    part: 'network',
    by: async ({ aws, prefix }) => {
      const named = ['--filters', `Name=tag:Name,Values=${prefix}-data`]
      const { RouteTables } = await aws('ec2', 'describe-route-tables', ...named)
      const { InternetGateways } = await aws(
        'ec2',
        'describe-internet-gateways',
        '--filters',
        `Name=tag:Name,Values=${prefix}`,
      )
      const route = ['--route-table-id', RouteTables[0].RouteTableId, '--destination-cidr-block', '0.0.0.0/0']
      await aws('ec2', 'create-route', ...route, '--gateway-id', InternetGateways[0].InternetGatewayId)
      return () => aws('ec2', 'delete-route', ...route)
    },
  },
  {
    promise: 'logs-retention',
    part: 'watch',
    by: async ({ aws, parameters }) => {
      const group = ['--log-group-name', `${parameters}/rpc-server`]
      const { logGroups } = await aws(
        'logs',
        'describe-log-groups',
        '--log-group-name-prefix',
        `${parameters}/rpc-server`,
      )
      await aws('logs', 'delete-retention-policy', ...group)
      return () =>
        aws('logs', 'put-retention-policy', ...group, '--retention-in-days', String(logGroups[0].retentionInDays))
    },
  },
  {
    promise: 'alarms-tell-somebody',
    part: 'watch',
    by: async ({ aws, prefix }) => {
      const alarm = ['--alarm-names', `${prefix}-feed-age`]
      await aws('cloudwatch', 'disable-alarm-actions', ...alarm)
      return () => aws('cloudwatch', 'enable-alarm-actions', ...alarm)
    },
  },
  {
    promise: 'truststore-bucket-private',
    part: 'buckets',
    by: async ({ aws, prefix, account }) => {
      const set = (status: string) =>
        aws(
          ...['s3api', 'put-bucket-versioning', '--bucket', `${prefix}-truststore-${account}`],
          ...['--versioning-configuration', `Status=${status}`],
        )
      await set('Suspended')
      return () => set('Enabled')
    },
  },
  {
    promise: 'audit-bucket-locked',
    part: 'buckets',
    by: async ({ aws, prefix, account }) => {
      const bucket = ['--bucket', `${prefix}-audit-${account}`]
      const { ObjectLockConfiguration } = await aws('s3api', 'get-object-lock-configuration', ...bucket)
      const put = (configuration: object) =>
        aws(
          ...['s3api', 'put-object-lock-configuration', ...bucket],
          ...['--object-lock-configuration', JSON.stringify(configuration)],
        )
      // The lock itself stays for ever; what is put without a date of its own is not locked any more.
      await put({ ObjectLockEnabled: 'Enabled' })
      return () => put(ObjectLockConfiguration)
    },
  },
]
