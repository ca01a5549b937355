import type { InputFault } from '../core/errors.ts'
import type { Answer } from './transport.ts'

/** A refusal as the wire carries it (RFC 9457); tolerant, because a proxy in between may have written it. */
export interface ProblemDocument {
  title: string
  status: number
  code: string
  detail?: string
  request_id?: string
  errors?: InputFault[]
}

/** The problem document of an answer; one made up from the status when something in between answered without. */
export const problemOfAnswer = (answer: Answer): ProblemDocument => {
  try {
    const document = JSON.parse(answer.body.toString('utf8')) as Partial<ProblemDocument>
    if (typeof document.code === 'string' && typeof document.title === 'string')
      return { ...document, status: answer.status } as ProblemDocument
  } catch {
    // Not JSON: told by its status alone.
  }
  const requestId = answer.headers['x-request-id']
  return {
    title: `The server answered ${answer.status} without saying why`,
    status: answer.status,
    code: `http_${answer.status}`,
    ...(typeof requestId === 'string' ? { request_id: requestId } : {}),
  }
}
