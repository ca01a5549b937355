import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const named = (...words: string[]) => words.join('[.]')

/** What belongs to one machine and not to the project; written so that this file does not hold it. */
const foreign: [string, RegExp, (path: string) => boolean][] = [
  [
    'the host of a package registry: that is for the configuration of the machine to say',
    new RegExp(
      [
        named('registry', '(npmjs|yarnpkg)', '(org|com)'),
        named('pypi', 'org'),
        named('pythonhosted', 'org'),
        named('proxy', 'golang', 'org'),
        named('repo1', 'maven', 'org'),
      ].join('|'),
    ),
    () => true,
  ],
  ['a path of one machine', /(?<![\w.~-])\/(work|root)\//, () => true],
  ['a fixed temporary folder: ask os.tmpdir()', /(?<![\w.~-])\/tmp\//, (path) => /^(src|scripts|bench)\//.test(path)],
]

/** Lines of committed, or about to be committed, files that name what is true on one machine only: `path:line: why`. */
export const findForeignText = (root: string): string[] =>
  execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '' && !path.startsWith('scripts/check/'))
    .flatMap((path) => {
      const text = readText(join(root, path))
      return text
        .split('\n')
        .flatMap((line, index) =>
          foreign
            .filter(([, pattern, of]) => of(path) && pattern.test(line))
            .map(([why]) => `${path}:${index + 1}: ${why}`),
        )
    })

/** Empty for what is no text, or is in the index and not on the disk. */
const readText = (path: string): string => {
  try {
    const bytes = readFileSync(path)
    return bytes.includes(0) ? '' : bytes.toString('utf8')
  } catch {
    return ''
  }
}
