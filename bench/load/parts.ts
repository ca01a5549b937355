import type { Job, Plan } from './plan.ts'

/** Connections that are opened before the clock starts. A server cuts one that asks nothing for 5 s: so few are used up by then. */
const mostAhead = 64

/** One plan as several, each of which opens few connections ahead; the jobs of an identity stay together, in order. */
export const partsOf = (plan: Plan): Plan[] => {
  const used = [...new Set(plan.jobs.map(({ who }) => who))]
  if (plan.connections === 'fresh' || used.length <= mostAhead) return [plan]
  const placeOf = new Map(used.map((who, place) => [who, place]))
  const jobs: Job[][] = Array.from({ length: Math.ceil(used.length / mostAhead) }, () => [])
  for (const { who, request } of plan.jobs) {
    const place = placeOf.get(who) as number
    jobs[Math.floor(place / mostAhead)]?.push({ who: place % mostAhead, request })
  }
  return jobs.map((some, part) => ({
    ...plan,
    identities: used.slice(part * mostAhead, (part + 1) * mostAhead).map((who) => plan.identities[who]),
    jobs: some,
  }))
}
