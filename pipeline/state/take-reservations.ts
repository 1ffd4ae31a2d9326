/** Asks for the places that verdicts stand on; who asks again for what it holds has it. */
import { decisionIdToBytes } from '#contracts';
import type { Reservations } from '#feature-store';
import type { HeldReservation } from './customer-work.ts';

export interface Taken {
  readonly had: readonly HeldReservation[];
  /** Names of those that are full. */
  readonly refused: readonly string[];
}

export const takeReservations = async (reservations: Reservations, wanted: readonly HeldReservation[], nowMs: number): Promise<Taken> => {
  const answers = await Promise.all(
    wanted.map(({ name, holder, max, untilMs }) => reservations.reserve(name, decisionIdToBytes(holder), { nowMs, untilMs, max })),
  );
  return { had: wanted.filter((_, i) => answers[i]), refused: wanted.flatMap(({ name }, i) => (answers[i] ? [] : [name])) };
};
