/** What `attune doctor` says and does about the partitions of a log that is there. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { readConfig } from '../../cli/config.ts';
import { checkKafka, type KafkaCure } from '../../cli/doctor/check-kafka.ts';
import { deleteTopics } from './delete-topics.ts';
import { runCommand } from './roles.ts';
import { withEngine } from './with-engine.ts';

withEngine('kafka', (brokers) => {
  test('raises nothing under an embedded feature store, which could not follow', async () => {
    const env = { KAFKA_BROKERS: brokers, ATTUNE_ID_KEY: 'a-key-for-tests-only' };
    const { code, output } = await runCommand(['doctor', '--fix', '--partitions', '128'], env);
    expect(output).toMatch(/--partitions needs Redis/);
    expect(code).not.toBe(0);
  });

  test('changes nothing without --fix, and says what roles have left to read and which number does not count', async () => {
    const prefix = `t${randomUUID().slice(0, 8)}.`;
    const doctor = async (partitions: number, cure: KafkaCure): Promise<string> => {
      const config = readConfig({
        KAFKA_BROKERS: brokers,
        KAFKA_TOPIC_PREFIX: prefix,
        ATTUNE_ID_KEY: 'a-key-for-tests-only',
        ATTUNE_PARTITIONS: String(partitions),
      });
      return (await checkKafka(config.kafka!, config, cure)).map(({ state, text }) => `${state} ${text}`).join('\n');
    };
    try {
      expect(await doctor(2, { fix: true, partitions: null })).toMatch(/^ok .* with 2 partitions each/m);
      const wanting = await doctor(5, { fix: true, partitions: null });
      expect(wanting).toMatch(/^note .*ATTUNE_PARTITIONS is 5.* keeps its 2; attune doctor --fix --partitions 5 raises them/m);
      expect(wanting).toMatch(/^note .*left to read: state 0, record 0/m);
      const trial = await doctor(2, { fix: false, partitions: 4 });
      expect(trial).toMatch(/^note .*nothing was changed; with --fix the log has 4 partitions, not 2/m);
      expect(trial).toMatch(/^ok .* with 2 partitions each/m);
      expect(await doctor(2, { fix: false, partitions: 1 })).toMatch(/^fault .*can only be raised/m);
      expect(await doctor(2, { fix: true, partitions: 4 })).toMatch(/^ok .* with 4 partitions each/m);
    } finally {
      await deleteTopics(brokers.split(','), prefix);
    }
  });
});
