/** The codec of each topic: a topic carries one type of record. */
import type { RecordCodec } from '../avro.ts';
import { communicationCodec } from '../communication/communication.ts';
import { controlCodec } from '../control/control.ts';
import { deadLetterCodec } from '../dead-letter/dead-letter.ts';
import { decisionCodec } from '../decision/decision.ts';
import { erasureCodec } from '../erasure/erasure.ts';
import { eventCodec } from '../event/event.ts';
import { modelCodec } from '../model/model.ts';
import { outcomeCodec } from '../outcome/outcome.ts';
import { rewardCodec } from '../reward/reward.ts';
import type { Topic } from './topics.ts';

export const TOPIC_CODECS: Readonly<Record<Topic, RecordCodec<unknown>>> = {
  'attune.events': eventCodec,
  'attune.decisions': decisionCodec,
  'attune.outcomes': outcomeCodec,
  'attune.rewards': rewardCodec,
  'attune.communications': communicationCodec,
  'attune.dead-letters': deadLetterCodec,
  'attune.models': modelCodec,
  'attune.controls': controlCodec,
  'attune.erasures': erasureCodec,
};
