/** Who plays which role in a loop, as records tell it in whatever order: the newest appointment counts, however late an older one is spoken of. */
import type { ModelRecord } from '#contracts';

/** `at` decides between records that were written before appointments had a time (roleAt 0). */
export type Appointment = Pick<ModelRecord, 'loop' | 'version' | 'role' | 'roleAt' | 'at'>;

export interface ModelRoles {
  follow(appointment: Appointment): void;
  champion(loop: string): string | null;
  /** Whom a rollback brings back. */
  previous(loop: string): string | null;
  /** Null: nobody has spoken of the version. */
  role(loop: string, version: string): ModelRecord['role'] | null;
  /** When its role was given; 0 where it is not known. */
  roleAt(loop: string, version: string): number;
  /** When the next appointment in the loop must at least be made, so that it counts on every machine, whatever its clock says. */
  nextRoleAt(loop: string, nowMs: number): number;
}

/**
 * Whoever was champion until a newer one was appointed is the previous one, and the one before that is retired: a promotion is one record, and
 * a learner that has not heard of it and still says `champion` of its model takes nothing back.
 */
export const createModelRoles = (): ModelRoles => {
  const claims = new Map<string, Map<string, Appointment>>();
  const roles = new Map<string, Map<string, ModelRecord['role']>>();
  const holder = (loop: string, wanted: ModelRecord['role']): string | null => {
    for (const [version, role] of roles.get(loop) ?? []) if (role === wanted) return version;
    return null;
  };
  return {
    follow(appointment) {
      const { loop, version } = appointment;
      const ofLoop = claims.get(loop) ?? new Map<string, Appointment>();
      claims.set(loop, ofLoop);
      const known = ofLoop.get(version);
      if (known !== undefined && isNewer(known, appointment)) return;
      ofLoop.set(version, appointment);
      roles.set(loop, settle([...ofLoop.values()]));
    },
    champion: (loop) => holder(loop, 'champion'),
    previous: (loop) => holder(loop, 'previous'),
    role: (loop, version) => roles.get(loop)?.get(version) ?? null,
    roleAt: (loop, version) => claims.get(loop)?.get(version)?.roleAt ?? 0,
    nextRoleAt: (loop, nowMs) => Math.max(nowMs, ...[...(claims.get(loop)?.values() ?? [])].map(({ roleAt }) => roleAt + 1)),
  };
};

const isNewer = (one: Appointment, other: Appointment): boolean =>
  one.roleAt > other.roleAt || (one.roleAt === other.roleAt && one.at > other.at);

const settle = (claims: readonly Appointment[]): Map<string, ModelRecord['role']> => {
  const settled = new Map<string, ModelRecord['role']>();
  let champion = false;
  let previous = false;
  for (const { version, role } of claims.toSorted((a, b) => (isNewer(a, b) ? -1 : isNewer(b, a) ? 1 : 0))) {
    let played = role;
    if (role === 'champion' && champion) played = 'previous';
    if (played === 'previous' && previous) played = 'retired';
    champion ||= played === 'champion';
    previous ||= played === 'previous';
    settled.set(version, played);
  }
  return settled;
};
