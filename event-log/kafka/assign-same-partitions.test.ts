import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignSamePartitions, type GroupMemberClaim } from './assign-same-partitions.ts';

const members = fc.uniqueArray(
  fc.record({ id: fc.string({ minLength: 1, maxLength: 8 }), owned: fc.array(fc.nat(80), { maxLength: 40 }), generation: fc.nat(5) }),
  { minLength: 1, maxLength: 12, selector: ({ id }) => id },
);

describe('the assignment of partition numbers', () => {
  it('law: every number goes to one member, and no member has more than one more than another', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 1, max: 64 }), (group, partitions) => {
        const assigned = assignSamePartitions(group, partitions);
        expect([...assigned.keys()].toSorted()).toEqual(group.map(({ id }) => id).toSorted());
        const numbers = [...assigned.values()].flat().toSorted((a, b) => a - b);
        expect(numbers).toEqual(Array.from({ length: partitions }, (_, partition) => partition));
        const counts = [...assigned.values()].map(({ length }) => length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  it('law: nothing moves while the members stay, whatever order they are named in', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 1, max: 64 }), fc.nat(), (group, partitions, turn) => {
        const first = assignSamePartitions(group, partitions);
        const again: GroupMemberClaim[] = group.map(({ id }) => ({ id, owned: first.get(id)!, generation: 9 }));
        const turned = [...again.slice(turn % again.length), ...again.slice(0, turn % again.length)];
        const second = assignSamePartitions(turned, partitions);
        for (const { id } of group) expect(second.get(id)).toEqual(first.get(id));
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  it('moves no more than a new member takes, and no more than a lost one leaves', () => {
    const two = new Map([
      ['a', [0, 1, 2, 3]],
      ['b', [4, 5, 6, 7]],
    ]);
    const claims = [...two].map(([id, owned]) => ({ id, owned, generation: 1 }));
    const three = assignSamePartitions([...claims, { id: 'c', owned: [], generation: -1 }], 8);
    for (const [id, owned] of two) expect(owned).toEqual(expect.arrayContaining([...three.get(id)!]));
    const one = assignSamePartitions(claims.slice(0, 1), 8);
    expect(one.get('a')).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('believes the later of two who claim the same numbers', () => {
    const claims = [
      { id: 'late', owned: [0, 1], generation: 2 },
      { id: 'sleeper', owned: [0, 1], generation: 1 },
    ];
    expect(assignSamePartitions(claims, 4).get('late')).toEqual([0, 1]);
  });

  it('leaves those idle for whom there is no number', () => {
    const claims = ['a', 'b', 'c'].map((id) => ({ id, owned: [], generation: 0 }));
    expect([...assignSamePartitions(claims, 2).values()].map(({ length }) => length).toSorted((a, b) => b - a)).toEqual([1, 1, 0]);
  });
});
