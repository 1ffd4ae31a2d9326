/** Controls are replaced, never changed, and so are catalogs: what follows from both is computed once. */
import type { Catalog } from '../catalog/types.ts';

export const onceForBoth = <C extends object, R>(compute: (catalog: Catalog, controls: C) => R): ((catalog: Catalog, controls: C) => R) => {
  const known = new WeakMap<C, WeakMap<Catalog, { readonly result: R }>>();
  return (catalog, controls) => {
    let ofCatalog = known.get(controls);
    if (ofCatalog === undefined) known.set(controls, (ofCatalog = new WeakMap()));
    let found = ofCatalog.get(catalog);
    if (found === undefined) ofCatalog.set(catalog, (found = { result: compute(catalog, controls) }));
    return found.result;
  };
};
