/** Tries again what Kafka refuses for a moment: a leader is being elected, a coordinator loads, a connection broke. */
import { EngineUnavailable } from '#contracts';
import { sleep } from '../backoff.ts';
import { errorOfCode } from './kafkajs-insides.ts';

const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 500;
const never = new AbortController().signal;

/** Only EngineUnavailable is tried again, until `patienceMs` have passed. */
export async function withPatience<T>(patienceMs: number, attempt: () => Promise<T>, cancelled: AbortSignal = never): Promise<T> {
  const endMs = performance.now() + patienceMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof EngineUnavailable) || cancelled.aborted || performance.now() + pauseMs > endMs) throw error;
    }
    await sleep(pauseMs, cancelled);
  }
}

export function throwUnless0(errorCode: number, what: string): void {
  if (errorCode === 0) return;
  const error = errorOfCode(errorCode);
  throw new EngineUnavailable('event-log', `Kafka: ${what}: ${error.message}`, error);
}
