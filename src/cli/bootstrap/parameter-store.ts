import {
  DescribeParametersCommand,
  GetParametersCommand,
  type ParameterMetadata,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm'
import type { ParameterName, ParameterShelf, Parameters } from '../../authority/bootstrap/shelves.ts'
import { CliError, exitCode } from '../errors.ts'
import { callAws } from './aws-failures.ts'
import { clientOptions } from './client-options.ts'

/** What bootstrap puts where servers read it; only the key is kept encrypted. */
const kinds = {
  'ca-cert': 'String',
  'issuer-cert': 'String',
  'server-key': 'SecureString',
  'server-cert': 'String',
} as const satisfies Record<ParameterName, string>
const names = Object.keys(kinds) as ParameterName[]

export interface ParameterStore extends ParameterShelf {
  close(): void
}

/** The parameters under `prefix`, e.g. `/airunner/prod`. They are Terraform's: none is made here. */
export const openParameterStore = (prefix: string, region: string | undefined): ParameterStore => {
  const client = new SSMClient(clientOptions(region))
  const pathOf = (name: ParameterName) => `${prefix}/${name}`
  const paths = names.map(pathOf)
  let described: Map<string, ParameterMetadata> | undefined

  /** Type and encryption of each: a key must never be put into a parameter that everybody reads in clear. */
  const describe = async (): Promise<Map<string, ParameterMetadata>> => {
    if (described !== undefined) return described
    const filter = { Key: 'Name', Option: 'Equals', Values: paths }
    const found: ParameterMetadata[] = []
    let NextToken: string | undefined
    // A page may be empty and not the last.
    do {
      const page = { ParameterFilters: [filter], MaxResults: 50, ...(NextToken === undefined ? {} : { NextToken }) }
      const answer = await callAws(`look at the parameters ${prefix}/…`, region, () =>
        client.send(new DescribeParametersCommand(page)),
      )
      found.push(...(answer.Parameters ?? []))
      NextToken = answer.NextToken || undefined
    } while (NextToken !== undefined)
    const byName = new Map(found.map((each) => [each.Name ?? '', each]))
    const missing = paths.filter((path) => !byName.has(path))
    if (missing.length > 0)
      throw new CliError(exitCode.notFound, `there is no parameter ${missing.join(', ')}`, {
        why: `Terraform makes them, with the value placeholder${region === undefined ? '' : `; this looked in ${region}`}.`,
        next: 'Apply the Terraform of this environment first, or check --application, --environment and --aws-region.',
      })
    for (const name of names) {
      const { Type } = byName.get(pathOf(name)) as ParameterMetadata
      if (Type !== kinds[name])
        throw new CliError(exitCode.conflict, `the parameter ${pathOf(name)} is a ${Type}, expected a ${kinds[name]}`, {
          next: 'Make it anew as Terraform does (modules/secrets).',
        })
    }
    described = byName
    return byName
  }

  return {
    read: async () => {
      await describe()
      const { Parameters: found = [] } = await callAws(`read the parameters ${prefix}/…`, region, () =>
        client.send(new GetParametersCommand({ Names: paths, WithDecryption: true })),
      )
      const values = new Map(found.map(({ Name, Value }) => [Name, Value]))
      return Object.fromEntries(names.map((name) => [name, values.get(pathOf(name)) ?? ''])) as Parameters
    },
    write: async (name, text, { kmsKey, signal } = {}) => {
      // All that Terraform set stays: what is left out of a call may be reset by it.
      const { Type, KeyId, Tier, Description, AllowedPattern, DataType } = (await describe()).get(
        pathOf(name),
      ) as ParameterMetadata
      await callAws(`write the parameter ${pathOf(name)}`, region, () =>
        client.send(
          new PutParameterCommand({
            Name: pathOf(name),
            Value: text,
            Overwrite: true,
            Type,
            Tier,
            DataType,
            ...(Description ? { Description } : {}),
            ...(AllowedPattern ? { AllowedPattern } : {}),
            // Otherwise the account's default key would take the place of the deployment's.
            ...(Type === 'SecureString' ? { KeyId: kmsKey ?? KeyId } : {}),
          }),
          signal === undefined ? {} : { abortSignal: signal },
        ),
      )
    },
    serverKeyEncryption: async () => (await describe()).get(pathOf('server-key'))?.KeyId,
    close: () => client.destroy(),
  }
}
