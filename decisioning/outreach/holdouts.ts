/** In which share of the times that it is chosen each outbound action is withheld, so that what contacting does can be measured. */
import type { Control } from '#contracts';
import type { Catalog } from '../catalog/types.ts';

/** Controls are replaced, never changed, and so are catalogs: their map is made once. */
const known = new WeakMap<object, WeakMap<Catalog, ReadonlyMap<string, number>>>();

/** By action id: what the controls say, else the share of an action without proof. */
export const holdoutsOf = (catalog: Catalog, controls: Pick<Control, 'holdouts'>): ReadonlyMap<string, number> => {
  let ofCatalog = known.get(controls);
  if (ofCatalog === undefined) known.set(controls, (ofCatalog = new WeakMap()));
  let shares = ofCatalog.get(catalog);
  if (shares === undefined) ofCatalog.set(catalog, (shares = sharesOf(catalog, controls)));
  return shares;
};

const sharesOf = ({ actions, backfire }: Catalog, { holdouts }: Pick<Control, 'holdouts'>): ReadonlyMap<string, number> =>
  new Map([
    ...actions
      .filter(({ treatments }) => treatments.some(({ direction }) => direction === 'outbound'))
      .map(({ id }) => [id, backfire.holdout.first] as const),
    ...holdouts.map(({ actionId, share }) => [actionId, share] as const),
  ]);
