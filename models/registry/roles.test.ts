import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createModelRoles, type Appointment } from './roles.ts';

const told = (...appointments: readonly (readonly [version: string, role: Appointment['role'], roleAt: number, at?: number])[]) => {
  const roles = createModelRoles();
  for (const [version, role, roleAt, at = roleAt] of appointments) roles.follow({ loop: '', version, role, roleAt, at });
  return roles;
};

test('a promotion is one record: the former champion is the previous one, the one before is retired, a challenger stays one', () => {
  const roles = told(['a', 'champion', 1], ['b', 'champion', 2], ['d', 'challenger', 2], ['c', 'champion', 3]);
  expect(['a', 'b', 'c', 'd', 'e'].map((version) => roles.role('', version))).toEqual([
    'retired',
    'previous',
    'champion',
    'challenger',
    null,
  ]);
  expect([roles.champion(''), roles.previous(''), roles.champion('other')]).toEqual(['c', 'b', null]);
});

test('a rollback brings the previous one back, and may be rolled back itself', () => {
  const roles = told(['a', 'champion', 1], ['b', 'champion', 2], ['a', 'champion', 3]);
  expect([roles.champion(''), roles.previous('')]).toEqual(['a', 'b']);
});

test('a learner that has not heard of the promotion takes nothing back with its next snapshot', () => {
  const roles = told(['a', 'champion', 1], ['b', 'champion', 10], ['a', 'champion', 1, 11]);
  expect([roles.champion(''), roles.previous('')]).toEqual(['b', 'a']);
});

test('of records that know no time of appointment the later one counts, as before there was one', () => {
  expect(told(['a', 'champion', 0, 5], ['b', 'champion', 0, 6]).champion('')).toBe('b');
  expect(told(['a', 'champion', 0, 6], ['b', 'champion', 0, 5]).champion('')).toBe('a');
});

test('the next appointment is after every one that was made, even by a machine whose clock is ahead', () => {
  const roles = told(['a', 'champion', 1_000]);
  expect([roles.nextRoleAt('', 5), roles.nextRoleAt('', 5_000), roles.nextRoleAt('other', 5)]).toEqual([1_001, 5_000, 5]);
});

test('the order in which records are read changes nothing', () => {
  const appointment = fc.record({
    loop: fc.constant(''),
    version: fc.constantFrom('a', 'b', 'c', 'd'),
    role: fc.constantFrom<Appointment['role'][]>('champion', 'challenger', 'previous', 'retired'),
    roleAt: fc.nat(20),
    at: fc.nat(1_000),
  });
  // No two are of the same moment: a log has an order for those.
  const appointments = fc.uniqueArray(appointment, { selector: ({ at }) => at, maxLength: 12 });
  fc.assert(
    fc.property(
      appointments.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => {
        const [one, other] = [list, shuffled].map((records) => {
          const roles = createModelRoles();
          for (const record of records) roles.follow(record);
          return ['a', 'b', 'c', 'd'].map((version) => roles.role('', version));
        });
        expect(one).toEqual(other);
      },
    ),
    { seed: 4, numRuns: 300 },
  );
});
