/** A record that could not be taken, whole, with the reason. */
import v1 from './v1.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** A record that could not be taken, whole, with the reason. */
export interface DeadLetter {
  /** where it came from */
  readonly topic: string;
  /** its partition */
  readonly partition: number;
  /** its offset */
  readonly offset: number;
  /** a stable code */
  readonly reason: string;
  /** for a person */
  readonly message: string;
  /** the record as it was */
  readonly payload: Buffer;
  /** ms since 1970 UTC */
  readonly at: number;
}

export const deadLetterCodec = createRecordCodec<DeadLetter>({ name: 'attune.dead-letters', versions: [v1 as never] });
