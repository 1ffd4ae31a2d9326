/** What no model may see is left out of what it is asked, by one function for serving, replaying and learning (law 7). */
import type { AttributeValue, Contact, CustomerView, PairCounters } from '../customer-view/customer-view.ts';
import type { ActionProfile, ScoringRequest } from './scoring.ts';

type Values = Readonly<Record<string, AttributeValue>>;

/**
 * Attributes and context fields of these names are absent, as they are in the warehouse's rows. Conditions, values and templates read the view
 * itself: they may know a customer's name. The view's attributes are read when they are first asked for.
 */
export const requestWithoutPersonal = (request: ScoringRequest, personal: ReadonlySet<string>): ScoringRequest =>
  personal.size === 0
    ? request
    : { ...request, view: new ViewWithoutPersonal(request.view, personal), context: valuesWithoutPersonal(request.context, personal) };

/** The same profile where nothing of it is personal: what was computed of it stays known. */
export const profileWithoutPersonal = (profile: ActionProfile, personal: ReadonlySet<string>): ActionProfile => {
  const features = valuesWithoutPersonal(profile.features, personal);
  return features === profile.features ? profile : { ...profile, features };
};

const valuesWithoutPersonal = (values: Values, personal: ReadonlySet<string>): Values => {
  for (const name in values)
    if (personal.has(name)) return Object.fromEntries(Object.entries(values).filter(([other]) => !personal.has(other)));
  return values;
};

class ViewWithoutPersonal implements CustomerView {
  readonly #view: CustomerView;
  readonly #personal: ReadonlySet<string>;
  #attributes: Values | undefined;

  constructor(view: CustomerView, personal: ReadonlySet<string>) {
    this.#view = view;
    this.#personal = personal;
  }

  get attributes(): Values {
    return (this.#attributes ??= valuesWithoutPersonal(this.#view.attributes, this.#personal));
  }

  get customerKey() {
    return this.#view.customerKey;
  }

  get known(): boolean {
    return this.#view.known;
  }

  get features(): Float32Array {
    return this.#view.features;
  }

  get featureNames(): readonly string[] {
    return this.#view.featureNames;
  }

  get featureSet(): string {
    return this.#view.featureSet;
  }

  get contacts(): readonly Contact[] {
    return this.#view.contacts;
  }

  get pendingActionIds(): readonly string[] {
    return this.#view.pendingActionIds;
  }

  pair(actionId: string): PairCounters {
    return this.#view.pair(actionId);
  }
}
