/** In which share of the times that it is chosen each outbound action is withheld, so that what contacting does can be measured. */
import type { Control } from '#contracts';
import type { Catalog } from '../catalog/types.ts';
import { onceForBoth } from './once-for-both.ts';

/** By action id: what the controls say, else the share of an action without proof. */
export const holdoutsOf = onceForBoth(
  ({ actions, backfire }: Catalog, { holdouts }: Pick<Control, 'holdouts'>): ReadonlyMap<string, number> =>
    new Map([
      ...actions
        .filter(({ treatments }) => treatments.some(({ direction }) => direction === 'outbound'))
        .map(({ id }) => [id, backfire.holdout.first] as const),
      ...holdouts.map(({ actionId, share }) => [actionId, share] as const),
    ]),
);
