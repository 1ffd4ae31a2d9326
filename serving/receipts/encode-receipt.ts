/**
 * A receipt's bytes, the same as `decisionCodec.encode` in a third of the time: field by field as contracts/decision/v3.avsc.json lists them.
 * A test holds the two together, and a schema that this file does not know falls back to the codec.
 */
import { decisionCodec, isOfThirdVersion, sealAsSecond, sealDecision, type Decision } from '#contracts';
import { AvroWriter } from './avro-writer.ts';

/** CRC-64-AVRO of the schema that is written out below. */
const KNOWN_SCHEMA = '9346300dd9dbe24f';

const HEADER = Buffer.concat([Buffer.from([0xc3, 0x01]), decisionCodec.fingerprint]);
const NONE: readonly number[] = [];
const UNSEALED = Buffer.alloc(4);
const writer = new AvroWriter();

/** A receipt without a policy is the first version's, and so is its seal: the codec writes it. */
const encodeKnown = (decision: Decision): Buffer => {
  const { policy = '' } = decision;
  if (policy === '') return decisionCodec.encode(decision);
  writer.reset();
  writer.raw(HEADER);
  writer.raw(decision.decisionId);
  writer.text(decision.subjectKind);
  writer.optionalText(decision.subjectId);
  writer.raw(decision.customerKey);
  writer.flag(decision.anonymous);
  writer.optionalText(decision.requestId);
  writer.long(decision.decidedAt);
  writer.text(decision.channel);
  writer.byte(decision.direction === 'inbound' ? 0 : 2);
  writer.optionalText(decision.placement);
  writer.long(decision.limit);
  writer.text(decision.loop);
  writer.text(decision.context);
  writer.optionalText(decision.ownCandidates);
  writer.flag(decision.allowNone);
  writer.long(decision.seed);
  writer.byte(decision.group === 'model' ? 0 : decision.group === 'random' ? 2 : 4);
  writer.text(decision.catalogVersion);
  writer.long(decision.controlsVersion);
  writer.text(decision.modelVersion);
  writer.long(decision.modelSnapshot);
  writeTexts(decision.degraded);
  writer.flag(decision.customerKnown);
  writer.bytes(decision.state);
  writer.text(decision.featureSet);
  writer.floats(decision.features);
  writer.bytes(decision.stages);
  writer.longs(decision.scored);
  writer.floats(decision.propensities);
  writer.doubles(decision.priorities);
  writer.floats(decision.gammas);
  writer.doubles(decision.probabilities);
  writeChosen(decision.chosen);
  if (decision.noneProbability === null) writer.byte(0);
  else {
    writer.byte(2);
    writer.double(decision.noneProbability);
  }
  writer.long(decision.latencyUs);
  writer.text(policy);
  writer.doubles(decision.policyParameters ?? NONE);
  writer.floats(decision.standardErrors ?? NONE);
  writer.text(decision.cause ?? '');
  writeKey(decision.rootId ?? null);
  writer.text(decision.scope ?? '');
  writer.floats(decision.holdouts ?? NONE);
  writer.long(decision.heldOut ?? -1);
  writer.floats(decision.contactCosts ?? NONE);
  writer.raw(UNSEALED);
  const bytes = writer.take();
  return isOfThirdVersion(decision) ? sealDecision(bytes) : sealAsSecond(bytes);
};

const writeKey = (key: Buffer | null): void => {
  writer.byte(key === null ? 0 : 2);
  if (key !== null) writer.raw(key);
};

const writeTexts = (texts: readonly string[]): void => {
  if (texts.length > 0) {
    writer.long(texts.length);
    for (const text of texts) writer.text(text);
  }
  writer.byte(0);
};

const writeChosen = (chosen: Decision['chosen']): void => {
  if (chosen.length > 0) {
    writer.long(chosen.length);
    for (const { rank, index, actionId, treatmentId, propensity, probability, value, priority } of chosen) {
      writer.long(rank);
      writer.long(index);
      writer.text(actionId);
      writer.text(treatmentId);
      writer.float(propensity);
      writer.double(probability);
      writer.double(value);
      writer.double(priority);
    }
  }
  writer.byte(0);
};

/** The decision's arrays must hold finite numbers and its ids 16 bytes, as deciding makes them. */
export const encodeReceipt: (decision: Decision) => Buffer =
  decisionCodec.fingerprint.toString('hex') === KNOWN_SCHEMA ? encodeKnown : (decision) => decisionCodec.encode(decision);
