import { mismatch, type Problem, quoted } from './problems.ts'

const variable = 'AWS_ENDPOINT_URL_STS'

/**
 * Where AWS_ENDPOINT_URL_STS says that the STS of every region is. Only this variable counts, and not AWS_ENDPOINT_URL, which is
 * meant for all services: whoever answers there decides who may join.
 */
export const stsEndpointOf = (env: Record<string, string | undefined>, problems: Problem[]): URL | undefined => {
  const text = env[variable]
  if (text === undefined || text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  // The signature of a joiner is over the path `/`.
  if (url !== undefined && ['https:', 'http:'].includes(url.protocol) && url.href === `${url.origin}/`) return url
  const shown = text.includes('@') ? 'a URL with credentials' : quoted(text)
  problems.push(mismatch(variable, shown, 'an https:// or http:// URL without path, query and credentials'))
  return undefined
}
