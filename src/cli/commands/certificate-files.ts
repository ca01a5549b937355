import { Argument, Option } from 'commander'
import { exists, readText } from '../../client/files.ts'
import { configurationError } from '../errors.ts'
import type { Inspection } from '../inspect.ts'
import type { Verb } from '../noun.ts'
import type { View } from '../output.ts'
import type { Session } from '../session.ts'

const inspectionView: View<Inspection> = { name: (inspection) => inspection.serial_number, columns: [] }

const readStdin = async (session: Session): Promise<string> => {
  let text = ''
  for await (const chunk of session.io.stdin) text += String(chunk)
  return text
}

/** Looks into certificates without asking any registry. */
export const inspectVerb = (session: Session): Verb => ({
  name: 'inspect',
  summary: 'show what a certificate says, from a file or from a server',
  description:
    'Every certificate of the file, or every one that HOST:PORT shows; `-` reads stdin. Nothing is verified, and no connection of yours is used. JSON is always {items: […]}.',
  arguments: [new Argument('<file|host:port>', 'PEM file, or a TLS server')],
  examples: ['airunner certificate inspect cert.pem', 'airunner certificate inspect airunner.example.com:443 -o wide'],
  run: async ({ arguments: [argument] }) => {
    const source = argument as string
    const { inspect, inspectServer, readEndpoint, requireCertificates } = await import('../inspect.ts')
    const { readCertificates } = await import('../credentials.ts')
    const endpoint = source === '-' || (await exists(source)) ? undefined : readEndpoint(source)
    if (source !== '-' && endpoint === undefined && !(await exists(source)))
      throw configurationError(`there is no file ${source}`, { next: 'Give a PEM file, or HOST:PORT.' })
    const certificates = endpoint
      ? await inspectServer(endpoint.host, endpoint.port, session.io.signal)
      : readCertificates(source === '-' ? await readStdin(session) : await readText(source, 'certificate'), source)
    const inspections = requireCertificates(certificates, source).map(inspect)
    const printer = session.print()
    const { output } = session.globals()
    if (output !== 'table' && output !== 'wide') return printer.list(inspectionView, inspections)
    for (const [index, inspection] of inspections.entries()) {
      if (index > 0) session.io.stdout.write('\n')
      await printer.record(inspectionView, inspection)
    }
  },
})

/** Says whether a certificate is good: by the trust bundle, and by the registry if there is a connection. */
export const verifyVerb = (session: Session): Verb => ({
  name: 'verify',
  summary: 'verify a certificate against the trust bundle and the registry',
  description:
    'The chain is followed through the other certificates of the file to a root of --cacert. When a connection is configured, the registry is asked for the status as well. Exit 1 when it is not good.',
  arguments: [new Argument('<file>', 'PEM file: the certificate, then its issuers')],
  options: [new Option('--offline', 'do not ask the registry')],
  examples: ['airunner certificate verify cert.pem', 'airunner certificate verify cert.pem --cacert ca.pem --offline'],
  run: async ({ arguments: [file], options }) => {
    const { refusalOf, verifyFile } = await import('../verify.ts')
    const verification = await verifyFile(session, file as string, options.offline === true)
    await session.print().record({ name: () => verification.serial_number }, verification)
    const refusal = refusalOf(verification, file as string)
    if (refusal !== undefined) throw refusal
  },
})
