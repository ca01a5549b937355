/** An address that is asked for: https, nothing secret in it, nothing cut off it. */
export const isHttpsUrl = (text: string, mayHaveQuery: boolean): boolean => {
  if (!URL.canParse(text) || text.length > 1024 || !/^https:\/\/[!-~]+$/.test(text)) return false
  const url = new URL(text)
  return url.username === '' && url.password === '' && !text.includes('#') && (mayHaveQuery || !text.includes('?'))
}
