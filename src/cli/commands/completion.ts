import { Argument, type Command } from 'commander'
import { write } from '../io.ts'
import type { Verb } from '../noun.ts'
import type { Session } from '../session.ts'

/** The script that makes a shell complete this program's words. */
export const completionVerb = (session: Session, program: () => Command): Verb => ({
  name: 'completion',
  summary: 'print the completion script of a shell',
  description: 'Load it in the shell’s start-up file, as the examples show.',
  arguments: [new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish'])],
  examples: [
    'source <(airunner completion bash)',
    'airunner completion zsh > "$fpath[1]/_airunner"',
    'airunner completion fish > ~/.config/fish/completions/airunner.fish',
  ],
  run: async ({ arguments: [shell] }) => {
    const { completionScript } = await import('../completion.ts')
    await write(session.io.stdout, completionScript(program(), shell as 'bash' | 'zsh' | 'fish'))
  },
})
