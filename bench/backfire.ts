/**
 * How soon an action that makes customers come to us is found out, and how often one without effect is paused, in a world with a base rate of 8 %.
 * `npm run bench:backfire [-- --seeds 100] [-- --first 1] [-- --picture docs/backfire.svg]`; last line JSON: caught, falsePauses.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { drawSequence } from './backfire/draw-sequence.ts';
import { WINDOW_HOURS, playContacts } from './backfire/play-contacts.ts';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '20' }, first: { type: 'string', default: '1' }, picture: { type: 'string' } },
});
const BASE = 0.08;
const CONTACTS = 2_000;
/** Peeked at for much longer than harm may take. */
const HARMLESS_CONTACTS = 6_000;
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.first) + i);
const percent = (rate: number): string => `${(rate * 100).toFixed(1)} %`;

const harmful = seeds.map((seed) => playContacts({ seed, base: BASE, contacted: 2 * BASE, maturedContacts: CONTACTS }));
const caught = harmful.flatMap(({ pausedAt }) => (pausedAt !== null && pausedAt <= CONTACTS ? [pausedAt] : [])).toSorted((a, b) => a - b);
const median = caught[Math.floor(caught.length / 2)] ?? null;
console.log(
  `doubled from ${percent(BASE)}: caught in ${caught.length} of ${seeds.length} seeds within ${CONTACTS} matured contacts (median ${median}, last ${caught.at(-1)})`,
);

const harmless = seeds.map((seed) => playContacts({ seed, base: BASE, contacted: BASE, maturedContacts: HARMLESS_CONTACTS }));
const falsePauses = harmless.filter(({ pausedAt }) => pausedAt !== null).length;
const endShares = harmless.flatMap(({ pausedAt, looks }) => (pausedAt === null ? [looks.at(-1)!.share] : [])).toSorted((a, b) => a - b);
const provenOnce = harmless.filter(({ looks }) => looks.some(({ ramp }) => ramp === null)).length;
console.log(
  `without effect: paused in ${falsePauses} of ${seeds.length} within ${HARMLESS_CONTACTS}; hold-out in the end ${percent(endShares[Math.floor(endShares.length / 2)] ?? 0)} (median), proven harmless in ${provenOnce}`,
);

const mostOpen = Math.max(...[...harmful, ...harmless].map((run) => run.mostOpen));
const contactsBeforePause = Math.max(0, ...harmful.map(({ contacts }) => contacts));
console.log(
  `windows of ${WINDOW_HOURS} h; contacted in open windows at most ${mostOpen}; contacted in all before the pause at most ${contactsBeforePause}`,
);

if (values.picture !== undefined) {
  const typical = harmful.find(({ pausedAt }) => pausedAt === median) ?? harmful[0]!;
  writeFileSync(
    values.picture,
    drawSequence([
      { title: 'Contact doubles the rate of 8 %', run: typical, truth: BASE },
      { title: 'Contact has no effect', run: harmless[0]!, truth: 0 },
    ]),
  );
}
console.log(
  JSON.stringify({
    bench: 'backfire',
    seeds: seeds.length,
    caught: caught.length,
    caughtAtMedian: median,
    caughtAtLast: caught.at(-1) ?? null,
    falsePauses,
    holdoutInTheEnd: endShares[Math.floor(endShares.length / 2)] ?? null,
    provenHarmless: provenOnce,
    mostOpen,
    contactsBeforePause,
    targets: { caught: 0.95 * seeds.length, falsePauses: 0.05 * seeds.length },
  }),
);
