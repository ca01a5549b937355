import { execFileSync } from 'node:child_process'
import t from 'tap'
import { renderCliReference } from '../../src/cli/reference.ts'
import { runCli } from '../support/cli.ts'

const script = (await runCli(['completion', 'bash'])).stdout

/** What bash offers after these words; the last one is what is being typed. */
const complete = (...words: string[]): string[] => {
  const quoted = ['airunner', ...words].map((word) => `'${word}'`).join(' ')
  const probe = `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _airunner; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', probe], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
}

t.test('bash completes nouns, verbs, flags and their choices', async (t) => {
  t.same(complete('prin'), ['principal'])
  t.same(complete('principal', 'su'), ['suspend'])
  t.same(complete('certs', 'revoke-m'), ['revoke-many'], 'aliases lead the same way')
  t.same(complete('-o', 'json', 'audit', 'ta'), ['tail'], 'values of flags are no words of the path')
  t.same(complete('principal', 'list', '--status', 's'), ['suspended'])
  t.same(complete('whoami', '-o', 'w'), ['wide'])
  t.same(complete('completion', 'z'), ['zsh'])
  t.ok(complete('certificate', 'generate', '--').includes('--output-dir'))
  t.ok(complete('certificate', 'generate', '--').includes('--server'), 'flags of every command as well')
  t.notOk(complete('certificate', 'get', '--').includes('--csr'))
})

t.test('zsh and fish', async (t) => {
  const zsh = (await runCli(['completion', 'zsh'])).stdout
  t.match(zsh, /^#compdef airunner\n/)
  t.match(zsh, /bashcompinit/)
  const fish = (await runCli(['completion', 'fish'])).stdout
  t.match(fish, /complete -c airunner -n __fish_use_subcommand -a principal -d 'who: /)
  t.match(
    fish,
    /-n '__fish_seen_subcommand_from audit; and not __fish_seen_subcommand_from list tail export verify' -a tail/,
  )
  t.match(fish, /-s o -l output -xa 'table wide json jsonl yaml name'/)
})

t.test('the reference names every command, its flags and examples, and is the same each time', async (t) => {
  const page = renderCliReference()
  t.equal(page, renderCliReference())
  for (const heading of [
    '### airunner principal create',
    '### airunner certificate revoke-many',
    '### airunner audit tail',
    '## airunner doctor',
    '## airunner bootstrap',
  ])
    t.ok(page.includes(`\n${heading}\n`), heading)
  t.match(page, /\| `--reason <reason>` \| why, as certificates name it; one of `unspecified`/)
  t.match(page, /airunner principal create build-7 --type worker/)
  t.match(page, /Also: `certificates`, `cert`, `certs`\./)
  t.notMatch(page, /undefined|\[object/)
  t.ok(page.includes('### airunner ca prepare\n'))
})
