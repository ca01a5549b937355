/** SHA-256 of a root's DER: `sha256:` and 64 hex digits, any case, colons allowed; undefined for other text. */
export const readFingerprint = (text: string): string | undefined => {
  const digits = /^sha256:(.+)$/i.exec(text)?.[1]?.replaceAll(':', '').toLowerCase()
  return digits !== undefined && /^[0-9a-f]{64}$/.test(digits) ? digits : undefined
}
