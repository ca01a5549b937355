import type { Io, Outlet } from './io.ts'

const codes = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const
export type Paint = keyof typeof codes

/** Colours text for one stream; leaves it as it is off a terminal, with NO_COLOR, and on a dumb one. @see no-color.org */
export const makePaint = (io: Io, outlet: Outlet): ((paint: Paint, text: string) => string) => {
  const plain = outlet.isTTY !== true || (io.env['NO_COLOR'] ?? '') !== '' || io.env['TERM'] === 'dumb'
  return (paint, text) => (plain ? text : `\u001b[${codes[paint][0]}m${text}\u001b[${codes[paint][1]}m`)
}

const paintOfWord: Record<string, Paint> = {
  active: 'green',
  ok: 'green',
  completed: 'green',
  success: 'green',
  online: 'green',
  succeeded: 'green',
  warn: 'yellow',
  stale: 'yellow',
  pending: 'yellow',
  suspended: 'yellow',
  superseded: 'yellow',
  revoked: 'red',
  expired: 'red',
  deleted: 'red',
  denied: 'red',
  fail: 'red',
  failed: 'red',
  offline: 'red',
}

/** The colour of a word that stands for a state, if it has one. */
export const paintOf = (word: string): Paint | undefined => paintOfWord[word]
