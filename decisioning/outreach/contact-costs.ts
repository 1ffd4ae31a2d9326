/** What contacting is expected to cost in inbound contacts, so that a harmful contact loses against silence before its proof is sure. */
import type { Control } from '#contracts';
import type { Catalog } from '../catalog/types.ts';
import { onceForBoth } from './once-for-both.ts';

/** By action id, money: the rise that the guard has seen so far, times what one inbound contact costs. */
export const contactCostsOf = onceForBoth((catalog: Catalog, { holdouts }: Pick<Control, 'holdouts'>): ReadonlyMap<string, number> => {
  const { inboundContact } = catalog.backfire;
  if (inboundContact === 0) return new Map();
  return new Map(holdouts.flatMap(({ actionId, rise }) => (rise === 0 ? [] : [[actionId, rise * inboundContact] as const])));
});
