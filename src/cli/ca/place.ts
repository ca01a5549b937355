import { InvalidArgumentError, Option } from 'commander'
import { type BootstrapFlags, bootstrapOptions, runOwner, tablesOf } from '../bootstrap/options.ts'
import type { Session } from '../session.ts'
import { oneLine } from '../text.ts'

/** Flags that name a deployment in AWS. */
export interface PlaceFlags {
  caKeySecret?: { application: string; environment: string; region?: string }
  awsRegion?: string
  principalTable?: string
  certTable?: string
  controlTable?: string
}

const secretExpression =
  /^(?:arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):\d{12}:secret:)?\/([a-z][a-z0-9-]{0,19}[a-z0-9])\/([a-z][a-z0-9]{1,11})\/ca-key(-[A-Za-z0-9]{6})?$/

/** Reads the ARN of the secret, or its name: which deployment it is follows from it. */
export const readCaKeySecret = (text: string): NonNullable<PlaceFlags['caKeySecret']> => {
  const [, region, application, environment, suffix] = secretExpression.exec(text) ?? []
  if (application === undefined || environment === undefined || (region === undefined && suffix !== undefined))
    throw new InvalidArgumentError('Expected /APPLICATION/ENVIRONMENT/ca-key or the ARN of that secret.')
  return { application, environment, ...(region === undefined ? {} : { region }) }
}

const shared = ['awsRegion', 'principalTable', 'certTable', 'controlTable']
export const placeOptions = (): Option[] => [
  new Option(
    '--ca-key-secret <arn>',
    'the secret that bootstrap has made, by ARN or name: parameters and tables of the same deployment are found by it',
  ).argParser(readCaKeySecret),
  ...bootstrapOptions().filter((each) => shared.includes(each.attributeName())),
]

export const regionOf = (session: Session, flags: PlaceFlags): string | undefined =>
  flags.awsRegion ?? flags.caKeySecret?.region ?? (session.io.env['AWS_REGION'] || undefined)

/** Runs something on a deployment in AWS while no bootstrap and no other rotation is at work there. */
export const atPlace = async <T>(
  session: Session,
  flags: PlaceFlags & Required<Pick<PlaceFlags, 'caKeySecret'>>,
  run: (
    opened: import('../../authority/bootstrap/open-deployment.ts').OpenDeployment,
    region: string | undefined,
  ) => Promise<T>,
): Promise<T> => {
  const { application, environment } = flags.caKeySecret
  const region = regionOf(session, flags)
  const prefix = `/${application}/${environment}`
  const [{ withDeployment }, { openParameterStore }, { openSecretsManager }] = await Promise.all([
    import('../../authority/bootstrap/open-deployment.ts'),
    import('../bootstrap/parameter-store.ts'),
    import('../bootstrap/secrets-manager.ts'),
  ])
  const parameters = openParameterStore(prefix, region)
  const secrets = openSecretsManager(prefix, region)
  try {
    return await withDeployment(
      {
        tables: tablesOf({ ...flags, application, environment } as unknown as BootstrapFlags, session.io.env),
        ...(region === undefined ? {} : { region }),
        parameters,
        secrets,
        owner: runOwner(),
        signal: session.io.signal,
        onWait: (other) => {
          session.io.stderr.write(`Another run on this deployment has not ended (${oneLine(other)}): watching it.\n`)
        },
      },
      (opened) => run(opened, region),
    )
  } finally {
    parameters.close()
    secrets.close()
  }
}

/** Refusals of what the authority's half does, in the words of the CLI. */
export const withRefusals = async <T>(region: string | undefined, run: () => Promise<T>): Promise<T> => {
  try {
    return await run()
  } catch (error) {
    const { refusalOf } = await import('../bootstrap/refusal.ts')
    throw await refusalOf(error, region)
  }
}
