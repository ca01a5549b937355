import { AwsError, type AwsService, startAwsService } from './aws-service.ts'

interface Stored {
  Value: string
  Type: string
  KeyId?: string
  Version: number
}

export interface WrittenParameters extends AwsService {
  /** What is there, by full name. */
  parameters: Map<string, Stored>
  /** Told of each write and deletion, `operation name`, before it happens (`done` false) and after; it may throw an AwsError. */
  onWrite: (what: string, done: boolean) => void
}

/** A Parameter Store that can be read and written, with what the real one refuses. */
export const startWrittenParameters = async (): Promise<WrittenParameters> => {
  const parameters: WrittenParameters['parameters'] = new Map()
  const write = (what: string, effect: () => void) => {
    store.onWrite(what, false)
    effect()
    store.onWrite(what, true)
    return {}
  }
  const service = await startAwsService({
    GetParameters: ({ Names }) => ({
      Parameters: (Names as string[]).flatMap((Name) => {
        const found = parameters.get(Name)
        return found === undefined ? [] : [{ Name, ...found }]
      }),
    }),
    DescribeParameters: ({ ParameterFilters }) => {
      const [{ Values = [] } = {}] = ParameterFilters as { Values?: string[] }[]
      return {
        Parameters: Values.flatMap((Name) => {
          const { Type, KeyId } = parameters.get(Name) ?? {}
          return Type === undefined ? [] : [{ Name, Type, KeyId }]
        }),
      }
    },
    PutParameter: (input) =>
      write(`PutParameter ${input['Name']}`, () => {
        const { Name, Value, Type, Overwrite, KeyId } = input as Record<string, string> & { Overwrite: boolean }
        const found = parameters.get(Name as string)
        if (found !== undefined && !Overwrite) throw new AwsError('ParameterAlreadyExists')
        const key = Type === 'SecureString' ? { KeyId: KeyId ?? 'alias/aws/ssm' } : {}
        parameters.set(Name as string, {
          Value: Value as string,
          Type: Type as string,
          ...key,
          Version: (found?.Version ?? 0) + 1,
        })
      }),
    DeleteParameter: ({ Name }) =>
      write(`DeleteParameter ${Name}`, () => {
        if (!parameters.delete(String(Name))) throw new AwsError('ParameterNotFound')
      }),
  })
  const store: WrittenParameters = Object.assign(service, { parameters, onWrite: () => undefined })
  return store
}
