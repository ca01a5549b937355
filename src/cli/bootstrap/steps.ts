import type { BootstrapStep } from '../../authority/bootstrap/step.ts'

/** What a step did, one line. */
export const stepLine = ({ number, title, outcome, detail }: BootstrapStep): string =>
  `[${number}/6] ${title}: ${outcome}${detail === undefined ? '' : ` (${detail})`}\n`
