/** The bytes of one customer, counted as DESIGN.md says: the encoded keys and values of state, links of pending decisions and timer. */
import { encodeLink } from '../companion.ts';
import type { CustomerState } from './customer-state.ts';
import type { CustomerKey } from '#contracts';

const KEY = 16;
/** Partition, due time, key. */
const TIMER_KEY = 24;
const LINK = KEY + encodeLink('0'.repeat(32) as CustomerKey).length;

/** @param value the encoded state */
export const bytesOfCustomer = (state: CustomerState, value: Uint8Array): number =>
  KEY + value.length + state.pending.length * LINK + (state.nextTimerMs === null ? 0 : TIMER_KEY);
