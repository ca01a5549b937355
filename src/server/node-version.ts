/** Older ones let in a client that resumes a session which it began without a certificate (nodejs/node#64677). */
const oldest = [24, 21, 0] as const

/** The line that refuses a Node release, or undefined. Pre-releases of a version come before it. */
export const refusedNode = (version: string): string | undefined => {
  const [release = '', prerelease] = version.replace(/^v/, '').split('-', 2)
  const parts = release.split('.').map(Number)
  const wanted = oldest.join('.')
  const refusal = `rpc-server: Node: found ${version}, expected ${wanted} or newer`
  for (const [index, least] of oldest.entries()) {
    const part = parts[index] ?? Number.NaN
    if (Number.isNaN(part) || part < least) return refusal
    if (part > least) return undefined
  }
  return prerelease === undefined ? undefined : refusal
}
