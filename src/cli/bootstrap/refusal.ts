import { ControlError } from '../../core/errors.ts'
import { asCliError, CliError, errorOfProblem, exitCode } from '../errors.ts'
import { awsRefusal } from './aws-failures.ts'

const again = 'Run it again: it goes on where it stopped.'

/** The words of what stopped it: of bootstrap itself, of AWS, of the store, or of the domain. */
export const refusalOf = async (error: unknown, region: string | undefined): Promise<CliError> => {
  const foreseen = asCliError(error)
  if (foreseen !== undefined) return foreseen
  const { name, message, cause } = error as Error
  if (name === 'BootstrapProblem') {
    const { next, missing } = error as { next?: string; missing: boolean }
    const exit = missing ? exitCode.notFound : exitCode.conflict
    const [what = '', ...why] = message.split('\n')
    if (next !== undefined)
      return new CliError(exit, what, { ...(why.length === 0 ? {} : { why: why.join('\n') }), next, cause: error })
    return new CliError(exit, 'bootstrap stopped, so as not to replace anything', { why: message, cause: error })
  }
  if (name === 'TrustProblem')
    return new CliError(exitCode.conflict, `bootstrap stopped: ${message}`, {
      next: 'docs/bootstrap.md says what lies where.',
      cause: error,
    })
  if (error instanceof ControlError && error.code === 'issuer_unavailable')
    return (
      awsRefusal(cause, 'use the KMS key of the issuer', region) ??
      new CliError(exitCode.unavailable, message, { code: error.code, next: again, cause: error })
    )
  if (error instanceof ControlError && error.code === 'store_unavailable')
    return (
      awsRefusal(cause, 'use the tables', region) ??
      new CliError(exitCode.unavailable, 'the store does not answer', {
        code: 'store_unavailable',
        ...(cause instanceof Error ? { why: cause.message } : {}),
        next: 'Check AWS_REGION, the credentials and AWS_ENDPOINT_URL_DYNAMODB, then run it again: it goes on where it stopped.',
        cause: error,
      })
    )
  if (error instanceof ControlError) {
    const { statusOfCode } = await import('../../wire/problem.ts')
    return errorOfProblem({
      title: 'Bootstrap was refused',
      status: statusOfCode[error.code],
      code: error.code,
      detail: error.message,
    })
  }
  return (
    awsRefusal(error, 'reach AWS', region) ??
    new CliError(exitCode.failed, `bootstrap stopped: ${message}`, {
      next: `${again} AWS_ENDPOINT_URL_DYNAMODB says where the store is.`,
      cause: error,
    })
  )
}
