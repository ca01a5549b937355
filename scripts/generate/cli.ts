import { renderCliReference } from '../../src/cli/reference.ts'

/** docs/cli.md: what `airunner --help` says, for every command; the page is the command line's own. */
export const cliPage = async (): Promise<string> => `${(await renderCliReference()).trimEnd()}\n`
