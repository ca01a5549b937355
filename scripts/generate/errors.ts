import { errorCodes } from '../../src/core/errors.ts'
import { problemTypeOf, statusOfCode, titleOfCode } from '../../src/wire/problem.ts'
import { errorGuide } from './error-guide.ts'
import { code, page, table } from './markdown.ts'

/** docs/errors.md: a heading per code, where the `type` of a problem document points. */
export const errorsPage = (): string =>
  page(
    'Errors',
    'src/wire/problem.ts and scripts/generate/error-guide.ts',
    `Every refusal is a problem document (RFC 9457, \`application/problem+json\`). Match on \`code\`: the list is closed, and
titles and details may change. \`type\` is \`${problemTypeOf('not_found').replace('not_found', '<code>')}\` and leads here. \`request_id\` is also in the
\`X-Request-Id\` header, in the log of the server and in the audit log. 401 closes the connection after the answer. A peer
without a certificate, or with one that none of our issuers signed, gets no document at all: its connection just ends.`,
    table(
      ['status', 'code', 'title'],
      [...errorCodes]
        .sort((a, b) => statusOfCode[a] - statusOfCode[b])
        .map((name) => [`${statusOfCode[name]}`, `[${code(name)}](#${name})`, titleOfCode[name]]),
    ),
    ...errorCodes.flatMap((name) => [
      `## ${name}`,
      `**${statusOfCode[name]}** ${titleOfCode[name]}.`,
      errorGuide[name].means,
      `*Next:* ${errorGuide[name].next}`,
    ]),
  )
