/** What the gate and the choice of a channel ask of the funnel: one outbound message on one channel, without scores and draws. */
import type { DecideInput } from '../types.ts';

type Asked = Pick<DecideInput, 'catalog' | 'view' | 'context' | 'controls' | 'nowMs'> & { readonly scope?: DecideInput['scope'] };

export const askedOn = ({ catalog, view, scope = null, context, controls, nowMs }: Asked, channel: string): DecideInput => ({
  catalog,
  view,
  scope,
  scorer: null,
  controls,
  channel,
  direction: 'outbound',
  placement: null,
  limit: 1,
  context,
  nowMs,
  seed: 0,
});
