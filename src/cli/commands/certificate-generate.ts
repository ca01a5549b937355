import { Argument, InvalidArgumentError, Option } from 'commander'
import { usageError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { forceOption, readPrincipalId, validityOption } from '../options.ts'
import type { Session } from '../session.ts'
import { certificateView } from '../views.ts'

const segment = '[A-Za-z0-9_.-]{1,128}'
const pathExpression = new RegExp(`^/(?!aws|ssm)${segment}/${segment}/clients/${segment}/?$`, 'i')

/** `/<application>/<environment>/clients/<principal_id>`: never beside what servers read. */
const readPath = (text: string): string => {
  if (!pathExpression.test(text))
    throw new InvalidArgumentError('Expected /<application>/<environment>/clients/<principal-id>/.')
  return text.replace(/\/$/, '')
}

const readKmsKey = (text: string): string => {
  if (!/^[A-Za-z0-9:/_-]{1,512}$/.test(text))
    throw new InvalidArgumentError('Expected the id, ARN or alias of a KMS key.')
  return text
}

interface Flags {
  outputDir?: string
  toSsm?: string
  ssmKmsKey?: string
  awsRegion?: string
  validity?: number
  csr?: string
  description?: string
  force?: true
}

const check = (principalId: string, { outputDir, toSsm, ssmKmsKey, awsRegion, csr }: Flags): void => {
  if ((outputDir === undefined) === (toSsm === undefined))
    throw usageError('it is not said where to', 'Give either --output-dir or --to-ssm.')
  if (toSsm === undefined && (ssmKmsKey ?? awsRegion) !== undefined)
    throw usageError('--ssm-kms-key and --aws-region go with --to-ssm only')
  if (toSsm === undefined) return
  if (csr !== undefined)
    throw usageError('--to-ssm makes the key itself', 'With --csr the key is elsewhere already: give --output-dir.')
  if (!toSsm.endsWith(`/clients/${principalId}`))
    throw usageError(`the path ${toSsm} is not that of ${principalId}`, `End it in /clients/${principalId}/.`)
}

export const generateVerb = (session: Session): Verb => ({
  name: 'generate',
  summary: 'make a key and have a certificate issued for it',
  description:
    'Writes key.pem (0600), cert.pem (the certificate, then its issuer) and ca.pem (the trust bundle). The key is made here and never leaves this machine. With --to-ssm it is put into the Parameter Store instead, for a machine that cannot enrol: private-key (SecureString), certificate and ca-cert below that path, and nothing on disk. When the answer is lost, run the same command again: it goes on with the same key and gets the same certificate.',
  arguments: [new Argument('<principal-id>', 'whose certificate').argParser(readPrincipalId)],
  options: [
    new Option('--output-dir <directory>', 'where the files go; made if need be'),
    new Option('--to-ssm <path>', 'instead: /<application>/<environment>/clients/<principal-id>/').argParser(readPath),
    new Option(
      '--ssm-kms-key <key>',
      'the KMS key that encrypts the private key there; otherwise the one it is encrypted with, or alias/aws/ssm',
    ).argParser(readKmsKey),
    new Option('--aws-region <region>', 'where that Parameter Store is; otherwise as for the AWS CLI'),
    validityOption('the server’s default otherwise'),
    new Option('--csr <file>', 'sign this request instead; its key stays where it is'),
    new Option('--description <text>', 'a note in the registry'),
    forceOption('overwrite what exists'),
  ],
  examples: [
    'airunner certificate generate build-7 --output-dir ./build-7 --validity 30d',
    'airunner cert generate build-7 --output-dir ./build-7 --csr build-7.csr',
    'airunner certificate generate build-7 --to-ssm /airunner/prod/clients/build-7/ --ssm-kms-key alias/airunner-prod',
  ],
  run: async ({ arguments: [principal], options }) => {
    const principalId = principal as string
    const flags = options as Flags
    check(principalId, flags)
    const { outputDir, toSsm, validity, csr, description } = flags
    const common = {
      principalId,
      ...(validity === undefined ? {} : { validity }),
      ...(description === undefined ? {} : { description }),
      force: flags.force === true,
    }
    const issued =
      toSsm === undefined
        ? await (await import('../generate.ts')).generate(session, {
            ...common,
            outputDir: outputDir as string,
            ...(csr === undefined ? {} : { csr }),
          })
        : await (await import('../provision/to-parameter-store.ts')).generateToParameterStore(session, {
            ...common,
            path: toSsm,
            region: flags.awsRegion ?? (session.io.env['AWS_REGION'] || undefined),
            kmsKey: flags.ssmKmsKey,
          })
    await session.print().record(certificateView, issued.certificate)
  },
})
