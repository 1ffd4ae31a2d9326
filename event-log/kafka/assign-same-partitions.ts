/**
 * Who works on which partition numbers: as equal as can be, and with as few moves as that allows. A member has its numbers of every
 * topic, for one customer's records have the same number everywhere (law 5).
 */

export interface GroupMemberClaim {
  readonly id: string;
  /** What it worked on when it joined. */
  readonly owned: readonly number[];
  /** Of the group, when it got that; of two that claim a number the later one has it. */
  readonly generation: number;
}

/** O(partitions · members); every number from 0 to partitions - 1 goes to one member. */
export function assignSamePartitions(members: readonly GroupMemberClaim[], partitions: number): ReadonlyMap<string, readonly number[]> {
  const ordered = members.toSorted((a, b) => b.generation - a.generation || (a.id < b.id ? -1 : 1));
  const owners = new Map<number, string>();
  for (const { id, owned } of ordered)
    for (const partition of owned) if (partition >= 0 && partition < partitions && !owners.has(partition)) owners.set(partition, id);

  const kept = new Map(ordered.map(({ id }) => [id, [...owners].flatMap(([partition, owner]) => (owner === id ? [partition] : []))]));
  // Those who have most keep one more, where the numbers do not divide.
  const byKept = ordered.toSorted((a, b) => kept.get(b.id)!.length - kept.get(a.id)!.length).map(({ id }) => id);
  const least = Math.floor(partitions / members.length);
  const capacity = new Map(byKept.map((id, index) => [id, least + (index < partitions % members.length ? 1 : 0)]));

  const assigned = new Map(
    byKept.map((id) => [
      id,
      kept
        .get(id)!
        .toSorted((a, b) => a - b)
        .slice(0, capacity.get(id)),
    ]),
  );
  const taken = new Set([...assigned.values()].flat());
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter((partition) => !taken.has(partition));
  for (const [id, numbers] of assigned) numbers.push(...free.splice(0, capacity.get(id)! - numbers.length));
  return new Map([...assigned].map(([id, numbers]) => [id, numbers.toSorted((a, b) => a - b)]));
}
