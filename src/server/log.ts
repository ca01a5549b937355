import { isatty } from 'node:tty'
import pino, { type DestinationStream, type Logger } from 'pino'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
export const logFormats = ['json', 'pretty'] as const
export type LogFormat = (typeof logFormats)[number]

/** What happened, first; then what is known about it. An error goes under `err`. */
export interface LogFields {
  event: string
  [name: string]: unknown
}

/** One line per decision. Never a key, token, CSR, PEM or whole configuration. */
export interface Log {
  debug(fields: LogFields): void
  info(fields: LogFields): void
  warn(fields: LogFields): void
  error(fields: LogFields): void
}

export interface LogOptions {
  level: LogLevel
  format: LogFormat
  /** Written with each line, when several processes share one output. */
  worker?: number
  /** Standard output, unless a test wants the lines. */
  destination?: DestinationStream
}

/** Fields that are never written, whoever logs them. */
const secretFields = [
  'authorization',
  'csr_pem',
  'id_token',
  'join_token',
  'key_pem',
  'private_key',
  'certificate_pem',
  'chain_pem',
]

const pemBlock = /-----BEGIN [^"]*?(?:-----END [A-Z0-9 ]*-----(?:\\n)?|(?="))/g
const joinToken = /airj_[A-Za-z0-9_-]+/g
const signedToken = /eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g
/** Line ends and terminal controls that JSON leaves as they are: DEL, C1 (U+0085, U+009B …), U+2028, U+2029. */
const looseControl = /[\u007f-\u009f\u2028\u2029]/g

/**
 * The last door: a line of JSON as it may leave the process, `event` in front. `prefix` is what stands before a loose
 * control's number: the pretty printer reads one escape back, so it is given two.
 */
const clean = (line: string, prefix: string): string => {
  let text = line.replace(/^\{("level":"[a-z]+","time":"[^"]*"),("event":"[^"\\]*")/, '{$2,$1')
  if (text.includes('-----BEGIN')) text = text.replace(pemBlock, '[pem]')
  if (text.includes('airj_')) text = text.replace(joinToken, '[join token]')
  if (text.includes('eyJ')) text = text.replace(signedToken, '[signed token]')
  return text.replace(looseControl, (found) => `${prefix}${found.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * An error as plain fields: pino would otherwise repeat its message as the line's own, line ends included. The
 * frames are kept apart from the message, which may hold text from outside.
 */
const plain = (fields: unknown): unknown => {
  const { err } = (fields ?? {}) as { err?: unknown }
  if (!(err instanceof Error)) return fields
  const { name, message, cause } = err
  const code = (err as { code?: unknown }).code
  const stack = err.stack?.slice(err.stack.indexOf(message) + message.length).trim()
  return {
    ...(fields as object),
    err: { name, message, code, cause: cause instanceof Error ? cause.message : cause, stack },
  }
}

/** Lines for people: the event, then its fields as JSON on the same line. */
const prettyDestination = async (): Promise<DestinationStream> => {
  const { default: pretty } = await import('pino-pretty')
  return pretty({
    colorize: isatty(1) && process.env['NO_COLOR'] === undefined,
    messageKey: 'event',
    singleLine: true,
    sync: true,
    translateTime: 'SYS:HH:MM:ss.l',
  })
}

/** Makes the log of a process. Lines are written at once, so that the last one before an exit is not lost. */
export const makeLog = async (options: LogOptions): Promise<Logger> => {
  const destination =
    options.destination ??
    (options.format === 'pretty' ? await prettyDestination() : pino.destination({ dest: 1, sync: true }))
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
      messageKey: 'event',
      serializers: { err: (err: unknown) => err },
      hooks: {
        logMethod([fields, ...rest], method) {
          method.apply(this, [plain(fields), ...rest] as Parameters<typeof method>)
        },
        streamWrite: (line) => clean(line, options.format === 'pretty' ? '\\\\u' : '\\u'),
      },
      ...(options.worker === undefined
        ? {}
        : {
            mixin: () => ({ worker: options.worker }),
            mixinMergeStrategy: (fields: object, worker: object) => ({ ...fields, ...worker }),
          }),
    },
    destination,
  )
}
