/** A customer's personal data are erased; what was recorded before is skipped by all. */
import v1 from './v1.avsc.json' with { type: 'json' };
import v2 from './v2.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** A customer's personal data are erased; what was recorded before is skipped by all. */
export interface Erasure {
  /** of the customer */
  readonly customerKey: Buffer;
  /** ms since 1970 UTC */
  readonly erasedAt: number;
  /** 16 bits, of the customer's id: where the stores keep the state; null in the first version, whose stores went by the record's partition */
  readonly shard: number | null;
}

export const erasureCodec = createRecordCodec<Erasure>({ name: 'attune.erasures', versions: [v1 as never, v2 as never] });
