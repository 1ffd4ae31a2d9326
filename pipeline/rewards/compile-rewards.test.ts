import { describe, expect, test } from 'vitest';
import { DAY_MS } from '#contracts';
import { ProjectError, createProject, loadProject } from '#project';
import { PLAIN_REWARDS, compileRewards } from './compile-rewards.ts';
import { channelRule, windowOf } from './rewards.ts';

const faultsOf = (text: string): string[] => {
  try {
    compileRewards(createProject(new Map([['rewards.yaml', text]])));
    return [];
  } catch (error) {
    if (!(error instanceof ProjectError)) throw error;
    return error.faults.map(({ file, line, message }) => `${file}:${line} ${message}`);
  }
};

describe('rewards.yaml', () => {
  test("telco's compiles: worths, windows, what a channel implies, what an order means", () => {
    const rewards = compileRewards(loadProject(new URL('../../catalog/telco', import.meta.url).pathname));
    expect(rewards.outcomes.get('accepted')).toMatchObject({ target: 1, worth: { fraction: 1 } });
    expect(rewards.outcomes.get('later')).toMatchObject({ neutral: true });
    expect(channelRule(rewards, 'sms')).toMatchObject({ implies: 'impression', cost: 0.05 });
    expect(channelRule(rewards, 'pigeon')).toBe(rewards.otherChannel);
    expect(windowOf(rewards, 'app', 'care')).toBe(3 * DAY_MS);
    expect(windowOf(rewards, 'app', 'offer')).toBe(14 * DAY_MS);
    expect(windowOf(rewards, 'app', null)).toBe(3 * DAY_MS);
  });

  test("a project without it has the API's outcomes", () => {
    expect(compileRewards(createProject(new Map()))).toBe(PLAIN_REWARDS);
  });

  test('names every mistake with file and line', () => {
    const faults = faultsOf(
      [
        'combine: best',
        'outcomes:',
        '  clicked: { target: 2 }',
        '  later: { neutral: true, worth: { fixed: 1 } }',
        'channels:',
        '  app: { window: soon, implies: undelivered }',
        'recognise:',
        '  - { event: order.completed, within: 14d, outcome: later }',
      ].join('\n'),
    );
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(
      expect.arrayContaining(['rewards.yaml:1', 'rewards.yaml:3', 'rewards.yaml:4', 'rewards.yaml:6', 'rewards.yaml:8']),
    );
    expect(faults.join('\n')).toMatch(/combine must be one of last, max, sum/);
    expect(faults.join('\n')).toMatch(/duration such as/);
  });
});
