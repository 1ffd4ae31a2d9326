/** One member of a consumer group: joins, leads the assignment when it is asked to, beats its heart, commits, leaves. */
import { AssignerProtocol } from 'kafkajs';
import { EngineUnavailable } from '#contracts';
import { sleep } from '../backoff.ts';
import { assignSamePartitions, type GroupMemberClaim } from './assign-same-partitions.ts';
import type { Cluster } from './cluster.ts';
import { errorOfCode } from './kafkajs-insides.ts';
import { throwUnless0, withPatience } from './patience.ts';

export interface GroupMemberDeps {
  /** Of this member alone: a join waits in the broker, and what comes after it on that connection too. */
  readonly cluster: Cluster;
  /** To leave by, while a join waits. */
  readonly otherCluster: Cluster;
  readonly groupId: string;
  readonly kafkaTopics: readonly string[];
  readonly partitions: number;
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** The numbers that are this member's until the next call. */
  readonly onAssigned: (partitions: readonly number[]) => void;
  /** The group will be divided anew: the member joins when this resolves, and should not wait long. */
  readonly onRebalance: () => Promise<void>;
  /** The group went on without this member. */
  readonly onLost: () => void;
  readonly onError: (error: unknown) => void;
}

export interface OffsetToCommit {
  readonly kafkaTopic: string;
  readonly partition: number;
  readonly next: number;
}

interface Membership {
  readonly coordinator: number;
  readonly generation: number;
}

export const ASSIGNMENT_PROTOCOL = 'AttuneSamePartitions';
const PAUSE_MS = 200;
const GOODBYE_MS = 3_000;
/** A broker's first group has a coordinator when the topic of offsets is there, which it makes when it is asked. */
const FIRST_JOIN_MS = 5_000;
const never = new AbortController().signal;
/** The group has moved on: what this member says in the name of its generation counts no more. */
const OUT_OF_DATE = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID']);

export class GroupMember {
  readonly #deps: GroupMemberDeps;
  readonly #left = new AbortController();
  readonly #running: Promise<void>;
  #memberId = '';
  #membership: Membership | null = null;
  #owned: readonly number[] = [];
  #ownedSince = 0;
  #heardMs = 0;

  constructor(deps: GroupMemberDeps) {
    this.#deps = deps;
    this.#running = this.#run();
  }

  /** Throws EngineUnavailable when it is not taken: the group is being divided anew, or cannot be reached. */
  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const { groupId, cluster } = this.#deps;
    const membership = this.#membership;
    if (membership === null) throw new EngineUnavailable('event-log', `The group ${groupId} is being divided.`);
    const byTopic = Map.groupBy(offsets, ({ kafkaTopic }) => kafkaTopic);
    const { responses } = await cluster.send(membership.coordinator, 'OffsetCommit', {
      groupId,
      groupGenerationId: membership.generation,
      memberId: this.#memberId,
      topics: [...byTopic].map(([topic, group]) => ({
        topic,
        partitions: group.map(({ partition, next }) => ({ partition, offset: String(next) })),
      })),
    });
    for (const { topic, partitions } of responses)
      for (const { partition, errorCode } of partitions) throwUnless0(errorCode, `the commit of ${groupId} on ${topic} ${partition}`);
  }

  async leave(): Promise<void> {
    this.#left.abort();
    this.#membership = null;
    const { groupId, otherCluster, cluster } = this.#deps;
    const goodbye = async (): Promise<void> => {
      if (this.#memberId === '') return;
      const coordinator = await otherCluster.coordinatorOf(groupId);
      await otherCluster.send(coordinator, 'LeaveGroup', { groupId, memberId: this.#memberId });
    };
    // Unheard, it is left when the session ends.
    await Promise.race([goodbye().catch(() => undefined), sleep(GOODBYE_MS, never)]);
    await Promise.race([Promise.all([cluster.close(), this.#running]), sleep(GOODBYE_MS, never)]);
  }

  async #run(): Promise<void> {
    const left = this.#left.signal;
    while (!left.aborted) {
      try {
        await this.#join();
        if (left.aborted) return;
        this.#deps.onAssigned(this.#owned);
        await this.#beatUntilRebalance();
        this.#heardMs = performance.now();
        await this.#deps.onRebalance();
      } catch (error) {
        if (left.aborted) return;
        this.#takeIn(error);
        await sleep(PAUSE_MS, left);
      }
    }
  }

  /** What a failed request means for the membership. */
  #takeIn(error: unknown): void {
    const type = error instanceof Error && 'type' in error ? error.type : null;
    if (type === 'REBALANCE_IN_PROGRESS') return;
    if (type === 'UNKNOWN_MEMBER_ID' || type === 'ILLEGAL_GENERATION') {
      if (type === 'UNKNOWN_MEMBER_ID') this.#memberId = '';
      this.#lose();
      return;
    }
    this.#deps.onError(error);
    if (performance.now() - this.#heardMs > this.#deps.sessionTimeoutMs) this.#lose();
  }

  #lose(): void {
    this.#membership = null;
    this.#owned = [];
    this.#deps.onLost();
  }

  async #join(): Promise<void> {
    const { cluster, groupId, sessionTimeoutMs } = this.#deps;
    this.#membership = null;
    const patienceMs = this.#memberId === '' ? FIRST_JOIN_MS : 0;
    const coordinator = await withPatience(patienceMs, () => cluster.coordinatorOf(groupId), this.#left.signal);
    const metadata = AssignerProtocol.MemberMetadata.encode({
      version: 0,
      topics: [...this.#deps.kafkaTopics],
      userData: encodeClaim({ owned: this.#owned, generation: this.#ownedSince }),
    });
    const joined = await cluster.send(coordinator, 'JoinGroup', {
      groupId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      memberId: this.#memberId,
      protocolType: 'consumer',
      groupProtocols: [{ name: ASSIGNMENT_PROTOCOL, metadata }],
    });
    if (joined.errorCode !== 0) {
      const error = errorOfCode(joined.errorCode);
      if (error.type !== 'MEMBER_ID_REQUIRED') throw error;
      this.#memberId = joined.memberId;
      if (!this.#left.signal.aborted) await this.#join();
      return;
    }
    this.#memberId = joined.memberId;
    const isLeader = joined.leaderId === joined.memberId;
    const synced = await cluster.send(coordinator, 'SyncGroup', {
      groupId,
      generationId: joined.generationId,
      memberId: this.#memberId,
      groupAssignment: isLeader ? this.#divide(joined.members) : [],
    });
    if (synced.errorCode !== 0) throw errorOfCode(synced.errorCode);
    this.#owned = decodeAssignment(synced.memberAssignment);
    this.#ownedSince = joined.generationId;
    this.#heardMs = performance.now();
    this.#membership = { coordinator, generation: joined.generationId };
  }

  #divide(
    members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[],
  ): { memberId: string; memberAssignment: Buffer }[] {
    const joined = members.map(({ memberId, memberMetadata }) => ({
      memberId,
      metadata: AssignerProtocol.MemberMetadata.decode(memberMetadata),
    }));
    const claims = joined.map(({ memberId, metadata }): GroupMemberClaim => ({ id: memberId, ...decodeClaim(metadata?.userData) }));
    const assigned = assignSamePartitions(claims, this.#deps.partitions);
    return joined.map(({ memberId, metadata }) => {
      const numbers = [...assigned.get(memberId)!];
      const assignment = Object.fromEntries((metadata?.topics ?? []).map((topic) => [topic, numbers]));
      return {
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) }),
      };
    });
  }

  /** Resolves when the group asks its members to join anew; throws when the member is no longer one, or not heard for a session. */
  async #beatUntilRebalance(): Promise<void> {
    const { groupId, heartbeatMs, cluster } = this.#deps;
    for (;;) {
      await sleep(heartbeatMs, this.#left.signal);
      const membership = this.#membership;
      if (this.#left.signal.aborted || membership === null) return;
      const errorCode = await this.#beat(membership);
      if (errorCode === 0) this.#heardMs = performance.now();
      else {
        const error = errorOfCode(errorCode);
        if (error.type === 'REBALANCE_IN_PROGRESS') return;
        if (OUT_OF_DATE.has(error.type)) throw error;
        const coordinator = await cluster.coordinatorOf(groupId).catch(() => membership.coordinator);
        this.#membership = { ...membership, coordinator };
      }
      if (performance.now() - this.#heardMs > this.#deps.sessionTimeoutMs)
        throw new Error(`no heartbeat of ${groupId} was answered in time`);
    }
  }

  async #beat({ coordinator, generation }: Membership): Promise<number> {
    const { cluster, groupId } = this.#deps;
    try {
      const request = { groupId, groupGenerationId: generation, memberId: this.#memberId };
      return (await cluster.send(coordinator, 'Heartbeat', request)).errorCode;
    } catch {
      return COORDINATOR_NOT_AVAILABLE;
    }
  }
}

const COORDINATOR_NOT_AVAILABLE = 15;

function encodeClaim(claim: Omit<GroupMemberClaim, 'id'>): Buffer {
  return Buffer.from(JSON.stringify(claim));
}

/** A member that says nothing understandable claims nothing. */
function decodeClaim(userData: Buffer | undefined): Omit<GroupMemberClaim, 'id'> {
  try {
    const { owned, generation } = JSON.parse(String(userData)) as Partial<GroupMemberClaim>;
    if (Array.isArray(owned) && owned.every(Number.isInteger) && typeof generation === 'number') return { owned, generation };
  } catch {
    // A member of another version.
  }
  return { owned: [], generation: -1 };
}

function decodeAssignment(bytes: Buffer): readonly number[] {
  const assignment = bytes.length === 0 ? null : AssignerProtocol.MemberAssignment.decode(bytes);
  return Object.values(assignment?.assignment ?? {})[0] ?? [];
}
