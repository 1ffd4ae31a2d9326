/** What consumer groups keep: committed offsets, and leases that share partitions between processes and outlive none of them. */
import { randomBytes } from 'node:crypto';
import type { Topic } from '#contracts';
import type { Env } from './environment.ts';
import { topicId } from './layout.ts';
import { isDead, processTag } from './process-tag.ts';

/** A member that has not renewed for this long has lost its partitions; one whose process is gone loses them at once. */
export const LEASE_MS = 3_000;

export interface Member {
  readonly group: string;
  /** Unique for each consumer; ends in the tag of its process. */
  readonly id: string;
}

export function createMember(group: string): Member {
  return { group, id: `${randomBytes(6).toString('hex')}@${processTag()}` };
}

export interface Commit {
  readonly topic: Topic;
  readonly partition: number;
  readonly next: number;
}

interface Lease {
  readonly owner: string;
  readonly untilMs: number;
}

export class Groups {
  readonly #env: Env;
  readonly #partitions: number;
  readonly #now: () => number;

  constructor(deps: { readonly env: Env; readonly partitions: number; readonly now: () => number }) {
    this.#env = deps.env;
    this.#partitions = deps.partitions;
    this.#now = deps.now;
  }

  refresh(): void {
    this.#env.resetReadTxn();
  }

  committed(group: string, topic: Topic, partition: number): number | null {
    return this.#env.getBinary(offsetKey(group, topic, partition))?.readDoubleLE(0) ?? null;
  }

  /** Commits for the partitions that the member still holds; the others are refused and left alone. */
  async commit(member: Member, commits: readonly Commit[]): Promise<void> {
    await this.#env.transaction(() => {
      for (const { topic, partition, next } of commits)
        if (this.#lease(member.group, partition)?.owner === member.id)
          this.#env.putSync(offsetKey(member.group, topic, partition), float64(next));
    });
  }

  /**
   * Renews the member and says which partitions it has now: those it held and may keep, and free ones up to its fair share.
   * `held` are the partitions that it works on; it must let go of the ones that are not in the answer, then call `release`.
   */
  renew(member: Member, held: ReadonlySet<number>): Promise<{ keep: Set<number>; changed: boolean }> {
    return this.#env.transaction(() => {
      const nowMs = this.#now();
      const untilMs = nowMs + LEASE_MS;
      const newcomer = this.#env.getBinary(memberKey(member)) === undefined;
      this.#env.putSync(memberKey(member), float64(untilMs));
      const share = Math.ceil(this.#partitions / this.#countMembers(member.group, nowMs));
      const keep = new Set<number>();
      const free: number[] = [];
      for (let partition = 0; partition < this.#partitions; partition += 1) {
        const lease = this.#lease(member.group, partition);
        if (lease?.owner === member.id && held.has(partition)) {
          if (keep.size < share) keep.add(partition);
          this.#putLease(member.group, partition, { owner: member.id, untilMs });
        } else if (lease === null || lease.untilMs <= nowMs || lease.owner === member.id || isOrphan(lease.owner)) free.push(partition);
      }
      for (const partition of free) {
        if (keep.size >= share) break;
        keep.add(partition);
        this.#putLease(member.group, partition, { owner: member.id, untilMs });
      }
      return { keep, changed: newcomer };
    });
  }

  async release(member: Member, partitions: Iterable<number>): Promise<void> {
    const mine = [...partitions];
    await this.#env.transaction(() => {
      for (const partition of mine)
        if (this.#lease(member.group, partition)?.owner === member.id) this.#env.removeSync(leaseKey(member.group, partition));
    });
  }

  async leave(member: Member): Promise<void> {
    await this.#env.transaction(() => {
      this.#env.removeSync(memberKey(member));
      for (let partition = 0; partition < this.#partitions; partition += 1)
        if (this.#lease(member.group, partition)?.owner === member.id) this.#env.removeSync(leaseKey(member.group, partition));
    });
  }

  /** Forgets members whose time is over or whose process is gone, and counts the others. */
  #countMembers(group: string, nowMs: number): number {
    const prefix = groupKey('m', group);
    let alive = 0;
    const dead: Buffer[] = [];
    for (const { key, value } of this.#env.getRange({ start: prefix, end: Buffer.concat([prefix, Buffer.from([0xff])]) })) {
      if (Buffer.from(value).readDoubleLE(0) > nowMs && !isOrphan(Buffer.from(key).toString('latin1'))) alive += 1;
      else dead.push(Buffer.from(key));
    }
    for (const key of dead) this.#env.removeSync(key);
    return Math.max(alive, 1);
  }

  #lease(group: string, partition: number): Lease | null {
    const bytes = this.#env.getBinary(leaseKey(group, partition));
    return bytes === undefined ? null : { untilMs: bytes.readDoubleLE(0), owner: bytes.toString('latin1', 8) };
  }

  #putLease(group: string, partition: number, lease: Lease): void {
    this.#env.putSync(leaseKey(group, partition), Buffer.concat([float64(lease.untilMs), Buffer.from(lease.owner, 'latin1')]));
  }
}

function isOrphan(memberId: string): boolean {
  return isDead(memberId.slice(memberId.lastIndexOf('@') + 1));
}

function groupKey(kind: 'o' | 'l' | 'm', group: string): Buffer {
  return Buffer.from(`${kind}${group}\0`);
}

function offsetKey(group: string, topic: Topic, partition: number): Buffer {
  return Buffer.concat([groupKey('o', group), Buffer.from([topicId(topic), partition])]);
}

function leaseKey(group: string, partition: number): Buffer {
  return Buffer.concat([groupKey('l', group), Buffer.from([partition])]);
}

function memberKey(member: Member): Buffer {
  return Buffer.concat([groupKey('m', member.group), Buffer.from(member.id, 'latin1')]);
}

function float64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
