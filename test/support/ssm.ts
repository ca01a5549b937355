import { AwsError, type AwsService, startAwsService } from './aws-service.ts'

export interface SsmStandIn extends AwsService {
  /** What is there, by full name. */
  parameters: Map<string, { value: string; type: 'String' | 'SecureString' }>
  /** Writes the four that a server reads, or some of them. */
  put(prefix: string, values: Partial<Record<'ca-cert' | 'server-cert' | 'server-key' | 'issuer-cert', string>>): void
  /** The environment in which the SDK finds it. */
  env: Record<string, string>
}

/** Enough of the Parameter Store: GetParameters, PutParameter of what is no secret, and faults on demand. */
export const startSsm = async (): Promise<SsmStandIn> => {
  const parameters: SsmStandIn['parameters'] = new Map()
  const service = await startAwsService({
    PutParameter: ({ Name, Value, Overwrite }) => {
      if (parameters.has(String(Name)) && Overwrite !== true) throw new AwsError('ParameterAlreadyExists')
      parameters.set(String(Name), { value: String(Value), type: 'String' })
      return { Version: 1, Tier: 'Standard' }
    },
    GetParameters: ({ Names, WithDecryption }) => {
      const names = Names as string[]
      return {
        Parameters: names.flatMap((Name) => {
          const found = parameters.get(Name)
          if (found === undefined) return []
          const hidden = found.type === 'SecureString' && WithDecryption !== true
          return [{ Name, Type: found.type, Value: hidden ? 'AQICAHh' : found.value, Version: 1 }]
        }),
        InvalidParameters: names.filter((name) => !parameters.has(name)),
      }
    },
  })
  return Object.assign(service, {
    parameters,
    put: (prefix: string, values: Record<string, string>) => {
      for (const [name, value] of Object.entries(values))
        parameters.set(`${prefix}/${name}`, { value, type: name === 'server-key' ? 'SecureString' : 'String' })
    },
    env: {
      AWS_ENDPOINT_URL_SSM: service.endpoint,
      AWS_REGION: service.client.region,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    },
  })
}
