/** One reason not to start: the variable or flag, and what was found there and is expected. Never key material. */
export interface Problem {
  name: string
  message: string
}

export const mismatch = (name: string, found: string, expected: string): Problem => ({
  name,
  message: `found ${found}, expected ${expected}`,
})

/** A value as it may be repeated to people: on one line, short, and nothing when it might be a key. */
export const quoted = (text: string): string => {
  if (text.includes('-----BEGIN')) return 'PEM text'
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u2028\u2029]/g, '?')
}

export const problemLine = ({ name, message }: Problem): string => `rpc-server: ${name}: ${message}`
