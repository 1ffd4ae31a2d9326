/** The receipt of a decision: its inputs and its result. */
import { crc32 } from 'node:zlib';
import v1 from './v1.avsc.json' with { type: 'json' };
import v2 from './v2.avsc.json' with { type: 'json' };
import v3 from './v3.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';
import type { RecordCodec } from '../avro.ts';

/** One slot of the answer. */
export interface Chosen {
  /** 1-based slot */
  readonly rank: number;
  /** of the candidate */
  readonly index: number;
  /** the action */
  readonly actionId: string;
  /** its form on the channel */
  readonly treatmentId: string;
  /** P(accepted | shown) */
  readonly propensity: number;
  /** P(chosen in this slot | the slots above) */
  readonly probability: number;
  /** the action's worth if accepted */
  readonly value: number;
  /** propensity x context weight x value x levers */
  readonly priority: number;
}

/** The receipt of a decision: its inputs and its result. */
export interface Decision {
  /** time-ordered; ends in the shard */
  readonly decisionId: Buffer;
  /** customer by default */
  readonly subjectKind: string;
  /** the operator's id; personal; null when only the decision names it */
  readonly subjectId: string | null;
  /** HMAC of kind and id, or the decision's own bytes */
  readonly customerKey: Buffer;
  /** the subject is an anonymousId or the decision itself */
  readonly anonymous: boolean;
  /** the client's id of the request */
  readonly requestId: string | null;
  /** `now` of the decision, ms since 1970 UTC */
  readonly decidedAt: number;
  /** where the customer is met */
  readonly channel: string;
  /** who began */
  readonly direction: 'inbound' | 'outbound';
  /** the place on the channel */
  readonly placement: string | null;
  /** slots asked for */
  readonly limit: number;
  /** empty for the catalog's loop, else the caller's */
  readonly loop: string;
  /** the request's context as JSON text */
  readonly context: string;
  /** the caller's candidates as JSON text, else null */
  readonly ownCandidates: string | null;
  /** whether `none` took part */
  readonly allowNone: boolean;
  /** of every random draw in this decision; below 2^53 */
  readonly seed: number;
  /** by hash of customer and month */
  readonly group: 'model' | 'random' | 'untouched';
  /** hash of the project's content */
  readonly catalogVersion: string;
  /** of the operators' controls in force */
  readonly controlsVersion: number;
  /** of the model that scored, 'priors' when none did */
  readonly modelVersion: string;
  /** of the head's posterior */
  readonly modelSnapshot: number;
  /** what was missing, empty when all was well */
  readonly degraded: readonly string[];
  /** a state was found */
  readonly customerKnown: boolean;
  /** the customer's state as read (feature-store's codec), empty when unknown */
  readonly state: Buffer;
  /** fingerprint of the feature definitions, hex */
  readonly featureSet: string;
  /** feature values as served, in the order of the definitions */
  readonly features: readonly number[];
  /** one code a candidate, in catalog order (or the caller's), `none` not included; see decisioning/stages.ts */
  readonly stages: Buffer;
  /** indices of the candidates that were scored, in order; -1 is `none`, always last where it took part */
  readonly scored: readonly number[];
  /** of the scored ones: P(accepted | shown) */
  readonly propensities: readonly number[];
  /** of the scored ones: as the arbiter saw them */
  readonly priorities: readonly number[];
  /** of the scored ones: exploration parameter */
  readonly gammas: readonly number[];
  /** of the scored ones: P(chosen in slot 1) */
  readonly probabilities: readonly number[];
  /** the answer, by slot; empty when `none` was chosen */
  readonly chosen: readonly Chosen[];
  /** P(none in slot 1), null where it took no part */
  readonly noneProbability: number | null;
  /** from the request's arrival to the choice, microseconds */
  readonly latencyUs: number;
  /** the exploration policy that drew; `off` or `random` where none did; empty in a receipt of the first version, which inverse-gap weighting drew */
  readonly policy?: string;
  /** what the policy depends on besides the candidates, the floor of probabilities first */
  readonly policyParameters?: readonly number[];
  /** of the propensities; empty where the policy needs none */
  readonly standardErrors?: readonly number[];
  /** who wanted it: trigger:<id>, segment:<id>, batch, batch:<id>, snooze, deferred, tmf681; empty: the API, or a receipt of before version 3 */
  readonly cause?: string;
  /** the first decision of a chain of deferrals or snoozes; null: it is the first */
  readonly rootId?: Buffer | null;
  /** actions, topics and groups of which any may take part, as JSON text; empty: all of the catalog */
  readonly scope?: string;
  /** of the scored ones: share in which it is withheld once chosen; empty: none is */
  readonly holdouts?: readonly number[];
  /** place among the scored ones of what was chosen and withheld; -1: none was */
  readonly heldOut?: number;
  /** of the scored ones: money that contacting is expected to cost in inbound contacts, taken off the priority; empty: nothing is known */
  readonly contactCosts?: readonly number[];
  /** CRC-32 of the record's bytes before it; written by the codec, absent before that */
  readonly digest?: Buffer;
}

const DIGEST_BYTES = 4;
const UNSEALED = Buffer.alloc(DIGEST_BYTES);
const codecOf = (...versions: readonly object[]): RecordCodec<Decision> =>
  createRecordCodec<Decision>({ name: 'attune.decisions', versions: versions as never });
const first = codecOf(v1);
const second = codecOf(v1, v2);
const plain = codecOf(v1, v2, v3);

/** Writes the digest into the last bytes of an encoded decision, and returns it. */
export const sealDecision = (bytes: Buffer): Buffer => {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -DIGEST_BYTES)), bytes.length - DIGEST_BYTES);
  return bytes;
};

/** Whether a decision says what only the third version can say; else its seal is the second's. */
export const isOfThirdVersion = ({ cause = '', rootId = null, scope = '', holdouts, heldOut = -1, contactCosts }: Decision): boolean =>
  cause !== '' || rootId !== null || scope !== '' || heldOut !== -1 || (holdouts?.length ?? 0) > 0 || (contactCosts?.length ?? 0) > 0;

/** What the third version's fields take in a decision that says nothing in them. */
const THIRD_UNSAID_BYTES = 6;
const HEADER_BYTES = 10;
const SECOND_HEADER_CRC = crc32(Buffer.concat([Buffer.from([0xc3, 0x01]), second.fingerprint]));

/** The second version's digest of a decision that was encoded in the third's schema and says nothing in its fields. */
export const sealAsSecond = (bytes: Buffer): Buffer => {
  const told = bytes.subarray(HEADER_BYTES, -DIGEST_BYTES - THIRD_UNSAID_BYTES);
  bytes.writeUInt32LE(crc32(told, SECOND_HEADER_CRC), bytes.length - DIGEST_BYTES);
  return bytes;
};

/**
 * Writes the digest of the version that the decision is of, whatever the decision says: one without a policy keeps the first version's, one
 * without a cause, scope or hold-out the second's, also where a registry has it read in today's schema. Does not judge what it reads (isSealed does).
 */
export const decisionCodec: RecordCodec<Decision> = {
  ...plain,
  encode: (decision) => {
    const unsealed = { ...decision, digest: UNSEALED };
    const bytes = plain.encode(unsealed);
    if ((decision.policy ?? '') === '') {
      sealDecision(first.encode(unsealed))
        .subarray(-DIGEST_BYTES)
        .copy(bytes, bytes.length - DIGEST_BYTES);
      return bytes;
    }
    return isOfThirdVersion(decision) ? sealDecision(bytes) : sealAsSecond(bytes);
  },
};

/** Whether the decision is what was written, by whichever version wrote it: it finds every accidental change, and is no signature. */
export const isSealed = (decision: Decision): boolean =>
  decision.digest !== undefined && decisionCodec.encode(decision).subarray(-DIGEST_BYTES).equals(decision.digest);
