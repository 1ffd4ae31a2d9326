/** The event by which Attune says that it paused an action: of the action, not of a customer. */
export const ACTION_PAUSED_EVENT = 'attune.action.paused';
/** CloudEvents source of what Attune says by itself. */
export const ATTUNE_SOURCE = 'attune';
/** Its customer's key, which no customer has. */
export const NOBODYS_KEY = Buffer.alloc(16);

/** Its data. */
export interface ActionPaused {
  readonly actionId: string;
  /** As a sentence. */
  readonly reason: string;
  /** Rate of inbound contact, 0 to 1. */
  readonly contactedRate: number;
  readonly heldOutRate: number;
  /** Matured trials. */
  readonly contacted: number;
  readonly heldOut: number;
  /** The rise is above this, as good as certainly. */
  readonly low: number;
  readonly margin: number;
  /** The version of the controls that paused it. */
  readonly controlsVersion: number;
}
