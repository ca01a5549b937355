import { awsRefusal } from '../bootstrap/aws-failures.ts'
import { asCliError, CliError, exitCode } from '../errors.ts'

const again = 'Run it again: it goes on where it stopped; until it is through, servers let nobody in.'

/** The words of what stopped it. */
export const restoreRefusal = (error: unknown, region: string | undefined): CliError => {
  const foreseen = asCliError(error)
  if (foreseen !== undefined) return foreseen
  const { name, message, cause } = error as Error & { next?: string }
  const { next, missing } = error as { next?: string; missing?: boolean }
  if (name === 'BootstrapProblem')
    return new CliError(missing ? exitCode.notFound : exitCode.conflict, message, { next: next ?? again, cause: error })
  const aws = awsRefusal(name === 'ControlError' || name === 'MemoryRefused' ? cause : error, 'use the tables', region)
  if (name === 'MemoryRefused')
    return new CliError(aws?.exitCode ?? exitCode.failed, message, {
      next: `This needs the rights that servers have there: ssm:GetParameters and ssm:PutParameter, or to write the file. ${again}`,
      cause: error,
    })
  return aws ?? new CliError(exitCode.failed, `the restore is not confirmed: ${message}`, { next: again, cause: error })
}
