/** A customer's personal data are erased; what was recorded before is skipped by all. */
import v1 from './v1.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** A customer's personal data are erased; what was recorded before is skipped by all. */
export interface Erasure {
  /** of the customer */
  readonly customerKey: Buffer;
  /** ms since 1970 UTC */
  readonly erasedAt: number;
}

export const erasureCodec = createRecordCodec<Erasure>({ name: 'attune.erasures', versions: [v1 as never] });
