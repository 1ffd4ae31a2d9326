/** A row kept for the next generation, as a checkpoint holds it: all that an encoder may read of an experience. */
import { UNKNOWN_CUSTOMER, type ActionProfile, type AttributeValue, type Experience } from '#contracts';

export interface KeptRow {
  readonly decisionId: string;
  readonly rank: number;
  readonly decidedAtMs: number;
  readonly probability: number;
  readonly propensity: number;
  readonly action: ActionProfile;
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly placement: string | null;
  readonly nowMs: number;
  readonly context: Readonly<Record<string, AttributeValue>>;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly features: Readonly<Record<string, number>>;
  readonly target: number;
}

export const keptOf = ({ request, ...experience }: Experience, target: number): KeptRow => {
  const { view, ...rest } = request;
  const features: Record<string, number> = {};
  view.featureNames.forEach((name, i) => {
    if (Number.isFinite(view.features[i])) features[name] = view.features[i]!;
  });
  return { ...experience, ...rest, attributes: view.attributes, features, target };
};

export const experienceOf = (row: KeptRow): Experience => {
  const {
    decisionId,
    rank,
    decidedAtMs,
    probability,
    propensity,
    action,
    attributes,
    features,
    channel,
    direction,
    placement,
    nowMs,
    context,
  } = row;
  const view = {
    ...UNKNOWN_CUSTOMER,
    known: true,
    attributes,
    features: Float32Array.from(Object.values(features)),
    featureNames: Object.keys(features),
  };
  const request = { view, channel, direction, placement, nowMs, context };
  return { decisionId, rank, decidedAtMs, probability, propensity, action, request };
};
