/** A receipt as JSON: bytes as hex or base64, times as RFC 3339, features by name. */
import { customerKeyFromBytes, decisionIdFromBytes, type Decision } from '#contracts';

export const receiptAnswer = (
  decision: Decision,
  source: string,
  featureNames: readonly string[],
): { decisionId: string } & Record<string, unknown> => ({
  ...decision,
  decisionId: decisionIdFromBytes(decision.decisionId),
  customerKey: customerKeyFromBytes(decision.customerKey),
  decidedAt: new Date(decision.decidedAt).toISOString(),
  context: JSON.parse(decision.context) as unknown,
  ownCandidates: decision.ownCandidates === null ? null : (JSON.parse(decision.ownCandidates) as unknown),
  degraded: decision.degraded.length === 0 ? null : decision.degraded,
  state: decision.state.toString('base64'),
  features: Object.fromEntries(decision.features.map((value, index) => [featureNames[index] ?? `#${index}`, value])),
  stages: [...decision.stages],
  rootId: (decision.rootId ?? null) === null ? null : decisionIdFromBytes(decision.rootId!),
  scope: (decision.scope ?? '') === '' ? null : (JSON.parse(decision.scope!) as unknown),
  digest: decision.digest?.toString('hex') ?? null,
  source,
});
