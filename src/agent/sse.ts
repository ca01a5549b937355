/** One event of a `text/event-stream`. */
export interface StreamEvent {
  event: string
  data: string
}

/** An event that grows beyond this is no event of ours. */
const longestEvent = 1024 * 1024

/**
 * Takes text as it arrives and gives the events that it completes; comments are passed over.
 * Throws when an event has no end. @see WHATWG HTML §9.2.6
 */
export const makeEventReader = () => {
  let rest = ''
  let event = ''
  let data: string[] = []
  let size = 0
  return (text: string): StreamEvent[] => {
    // LF or CRLF, as our servers write; a bare CR ends no line here.
    const lines = (rest + text).split(/\r?\n/)
    rest = lines.pop() ?? ''
    const events: StreamEvent[] = []
    for (const line of lines) {
      size += line.length
      if (line === '') {
        if (data.length > 0) events.push({ event: event || 'message', data: data.join('\n') })
        event = ''
        data = []
        size = 0
      } else if (!line.startsWith(':')) {
        const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
        if (field === 'event') event = value
        else if (field === 'data') data.push(value)
      }
    }
    if (size + rest.length > longestEvent) throw new Error('an event of the stream has no end')
    return events
  }
}
