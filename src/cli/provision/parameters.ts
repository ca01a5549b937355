import {
  DeleteParameterCommand,
  DescribeParametersCommand,
  GetParametersCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { callAws } from '../bootstrap/aws-failures.ts'
import { clientOptions } from '../bootstrap/client-options.ts'
import { CliError, exitCode } from '../errors.ts'

/** What lies below a machine's path. `pending` is there while a certificate is being made, and holds a key as well. */
const kinds = {
  'private-key': 'SecureString',
  certificate: 'String',
  'ca-cert': 'String',
  pending: 'SecureString',
} as const
export type MachineParameter = keyof typeof kinds
const names = Object.keys(kinds) as MachineParameter[]

export interface MachineParameters {
  /** What is there. Throws when one of them shows to everybody what is secret. */
  read(): Promise<Partial<Record<MachineParameter, string>>>
  /** The KMS key that the stored private key is encrypted with. */
  encryptionKey(): Promise<string | undefined>
  /** False: it was there, and `overwrite` is not. */
  put(name: MachineParameter, value: string, how: { overwrite: boolean; kmsKey: string | undefined }): Promise<boolean>
  /** It may be gone already. */
  remove(name: MachineParameter): Promise<void>
  close(): void
}

const nameOf = (error: unknown): string | undefined => ((error as Error).cause as Error | undefined)?.name

/** The parameters below `path`, e.g. `/airunner/prod/clients/build-7`; made if need be. */
export const openMachineParameters = (path: string, region: string | undefined): MachineParameters => {
  const client = new SSMClient(clientOptions(region))
  const pathOf = (name: MachineParameter) => `${path}/${name}`

  const call = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    try {
      return await callAws(what, region, run)
    } catch (error) {
      if (!(error instanceof CliError)) throw error
      const why = error.why === undefined ? {} : { why: error.why }
      if (error.exitCode === exitCode.notLetIn)
        throw new CliError(error.exitCode, error.message, {
          ...why,
          next: `Run it as somebody who may ssm:GetParameters, ssm:PutParameter and ssm:DeleteParameter on parameter${path}/*, ssm:DescribeParameters to replace a pair, and kms:Encrypt and kms:Decrypt with the key. \`aws sts get-caller-identity\` shows who you are.`,
          cause: error,
        })
      if (nameOf(error) === 'InvalidKeyId')
        throw new CliError(exitCode.conflict, error.message, {
          ...why,
          next: 'Give --ssm-kms-key the id, ARN or alias of an enabled symmetric KMS key of this region that you may encrypt with.',
          cause: error,
        })
      throw error
    }
  }

  return {
    read: async () => {
      const { Parameters: found = [] } = await call(`read the parameters ${path}/…`, () =>
        client.send(new GetParametersCommand({ Names: names.map(pathOf), WithDecryption: true })),
      )
      const values: Partial<Record<MachineParameter, string>> = {}
      for (const name of names) {
        const parameter = found.find(({ Name }) => Name === pathOf(name))
        if (parameter === undefined) continue
        if (parameter.Type !== kinds[name])
          throw new CliError(
            exitCode.conflict,
            `the parameter ${pathOf(name)} is a ${parameter.Type}, expected a ${kinds[name]}`,
            { next: 'Delete it; if it holds a key in clear, revoke the certificate of that key.' },
          )
        values[name] = parameter.Value ?? ''
      }
      return values
    },
    encryptionKey: async () => {
      const filter = { Key: 'Name', Option: 'Equals', Values: [pathOf('private-key')] }
      let NextToken: string | undefined
      // A page may be empty and not the last.
      do {
        const page = { ParameterFilters: [filter], ...(NextToken === undefined ? {} : { NextToken }) }
        const answer = await call(`look at the parameter ${pathOf('private-key')}`, () =>
          client.send(new DescribeParametersCommand(page)),
        )
        const [parameter] = answer.Parameters ?? []
        if (parameter !== undefined) return parameter.KeyId
        NextToken = answer.NextToken || undefined
      } while (NextToken !== undefined)
      return undefined
    },
    put: async (name, value, { overwrite, kmsKey }) => {
      const Type = kinds[name]
      try {
        await call(`write the parameter ${pathOf(name)}`, () =>
          client.send(
            new PutParameterCommand({
              Name: pathOf(name),
              Value: value,
              Type,
              Overwrite: overwrite,
              // A bundle of many roots has more than the 4 KB of the standard tier.
              Tier: 'Intelligent-Tiering',
              ...(Type === 'SecureString' && kmsKey !== undefined ? { KeyId: kmsKey } : {}),
            }),
          ),
        )
        return true
      } catch (error) {
        if (nameOf(error) === 'ParameterAlreadyExists') return false
        throw error
      }
    },
    remove: async (name) => {
      try {
        await call(`delete the parameter ${pathOf(name)}`, () =>
          client.send(new DeleteParameterCommand({ Name: pathOf(name) })),
        )
      } catch (error) {
        if (nameOf(error) !== 'ParameterNotFound') throw error
      }
    },
    close: () => client.destroy(),
  }
}
