/**
 * The code of a network or TLS error. OpenSSL reports some under EPROTO, where only the message says which it was:
 * `…:SSL routines:ssl3_get_record:wrong version number:…`.
 */
export const networkCode = (error: unknown): string => {
  const { code, name, message } = error as NodeJS.ErrnoException
  const reason = code === 'EPROTO' ? /SSL routines:[^:]*:([^:]+):/.exec(message)?.[1] : undefined
  return reason === undefined ? (code ?? name) : `ERR_SSL_${reason.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`
}
