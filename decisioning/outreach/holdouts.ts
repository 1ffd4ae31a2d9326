/** The hold-outs that the controls name, by action, as deciding takes them. */
import type { Control } from '#contracts';

/** Controls are replaced, never changed: their map is made once. */
const known = new WeakMap<object, ReadonlyMap<string, number> | null>();

/** Null: the controls name none. */
export const holdoutsIn = (controls: Pick<Control, 'holdouts'>): ReadonlyMap<string, number> | null => {
  let found = known.get(controls);
  if (found === undefined) {
    const { holdouts } = controls;
    found = holdouts.length === 0 ? null : new Map(holdouts.map(({ actionId, share }) => [actionId, share]));
    known.set(controls, found);
  }
  return found;
};
