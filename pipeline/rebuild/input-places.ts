/** Places of topics in a state's position vector. */
import { STATE_INPUTS, TOPICS } from '#contracts';

export const DECISIONS = STATE_INPUTS.indexOf(TOPICS.decisions);
