/** Whether one media range, `type/subtype;params`, takes `mediaType`; undefined when it says nothing about it. */
const rank = (range: string, mediaType: string): { specificity: number; quality: number } | undefined => {
  const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
  const specificity = ['*/*', `${mediaType.split('/')[0]}/*`, mediaType].indexOf(name)
  if (specificity < 0) return undefined
  const quality = parameters.find((parameter) => parameter.startsWith('q='))
  return { specificity, quality: quality === undefined ? 1 : Number(quality.slice(2)) }
}

/** True when an Accept header lets one of `produced` through. @see RFC 9110 §12.5.1 */
export const isAcceptable = (accept: string | undefined, produced: readonly string[]): boolean => {
  if (accept === undefined || accept === '*/*' || produced.includes(accept) || accept.trim() === '') return true
  const ranges = accept.split(',')
  return produced.some((mediaType) => {
    const ranked = ranges.map((range) => rank(range, mediaType)).filter((one) => one !== undefined)
    const best = ranked.sort((a, b) => b.specificity - a.specificity)[0]
    return best !== undefined && best.quality > 0
  })
}
