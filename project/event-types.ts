/**
 * events.yaml: the schema of each event type's data, and which of its fields are personal.
 *
 * ```yaml
 * events:
 *   bill.issued:
 *     description: A bill was sent.
 *     data:
 *       amount: number            # required
 *       overage: number?          # optional
 *       dueInDays: integer
 *   customer.updated:
 *     data:
 *       plan: { type: string, optional: true, enum: [prepaid, basic] }
 *       email: { type: string, optional: true, personal: true }
 * ```
 * Types: string, number, integer, boolean, object, array, any. Fields that are not declared are accepted (`closed: true` refuses
 * them) but count as personal: they do not reach the warehouse.
 */
import type { Fault } from './faults.ts';
import { refuseFaults } from './faults.ts';
import type { Project } from './project.ts';
import type { DocumentPath, ProjectDocument } from './document.ts';

const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'any'] as const;
export type EventFieldType = (typeof TYPES)[number];

export interface EventField {
  readonly name: string;
  readonly type: EventFieldType;
  readonly optional: boolean;
  readonly personal: boolean;
  readonly enum: readonly (string | number | boolean)[] | null;
  readonly description: string;
}

export interface EventType {
  readonly name: string;
  readonly description: string;
  readonly fields: readonly EventField[];
  /** Null: the data is valid. Else a sentence that names the field. */
  validate(data: unknown): string | null;
  readonly personalFields: readonly string[];
  /** The customer came to us: what proactive contacts are meant to spare (docs/backfire.md). */
  readonly inboundContact: boolean;
  /** What may reach the warehouse: declared fields that are not personal. */
  withoutPersonal(data: Readonly<Record<string, unknown>>): Record<string, unknown>;
}

export interface EventTypes {
  /** Null: events.yaml does not name this type. */
  get(type: string): EventType | null;
  readonly names: readonly string[];
}

/** Throws ProjectError when events.yaml is wrong; a project without it knows no event types. */
export const compileEventTypes = (project: Project): EventTypes => {
  const document = project.document('events.yaml');
  const faults: Fault[] = [];
  const types = new Map<string, EventType>();
  if (document !== null) compileDocument(document, types, faults);
  refuseFaults(faults);
  return { get: (type) => types.get(type) ?? null, names: [...types.keys()] };
};

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const compileDocument = (document: ProjectDocument, types: Map<string, EventType>, faults: Fault[]): void => {
  const root = document.value;
  if (!isRecord(root) || !isRecord(root['events'])) {
    faults.push(document.fault([], "expected a mapping 'events' from type to its schema"));
    return;
  }
  for (const [name, definition] of Object.entries(root['events'])) {
    const at = ['events', name];
    if (!isRecord(definition)) {
      faults.push(document.fault(at, `event '${name}' must be a mapping with 'data'`));
      continue;
    }
    for (const key of Object.keys(definition)) {
      if (!['description', 'data', 'closed', 'inboundContact'].includes(key)) {
        faults.push(document.fault([...at, key], `unknown field '${key}'; an event type has description, data, closed, inboundContact`));
      }
    }
    const data = definition['data'] ?? {};
    if (!isRecord(data)) {
      faults.push(document.fault([...at, 'data'], 'data must be a mapping from field to type'));
      continue;
    }
    const fields = Object.entries(data).map(([field, value]) => compileField(document, [...at, 'data', field], field, value, faults));
    const description = typeof definition['description'] === 'string' ? definition['description'] : '';
    const inboundContact = definition['inboundContact'] === true;
    types.set(name, createEventType({ name, description, fields, closed: definition['closed'] === true, inboundContact }));
  }
};

const compileField = (document: ProjectDocument, at: DocumentPath, name: string, value: unknown, faults: Fault[]): EventField => {
  const definition: Record<string, unknown> = isRecord(value) ? value : { type: value };
  let type = String(definition['type']);
  let optional = definition['optional'] === true;
  if (type.endsWith('?')) {
    type = type.slice(0, -1);
    optional = true;
  }
  if (!(TYPES as readonly string[]).includes(type)) faults.push(document.fault(at, `'${type}' is not a type; use ${TYPES.join(', ')}`));
  for (const key of Object.keys(definition)) {
    if (!['type', 'optional', 'personal', 'enum', 'description'].includes(key)) {
      faults.push(document.fault([...at, key], `unknown field '${key}'; a field has type, optional, personal, enum, description`));
    }
  }
  const values = definition['enum'];
  if (values !== undefined && !Array.isArray(values)) faults.push(document.fault([...at, 'enum'], 'enum must be a list'));
  return {
    name,
    type: type as EventFieldType,
    optional,
    personal: definition['personal'] === true,
    enum: Array.isArray(values) ? (values as (string | number | boolean)[]) : null,
    description: typeof definition['description'] === 'string' ? definition['description'] : '',
  };
};

const createEventType = (input: {
  name: string;
  description: string;
  fields: readonly EventField[];
  closed: boolean;
  inboundContact: boolean;
}): EventType => {
  const { name, description, fields, closed, inboundContact } = input;
  const names = new Set(fields.map((field) => field.name));
  const open = fields.filter((field) => !field.personal).map((field) => field.name);
  return {
    name,
    inboundContact,
    description,
    fields,
    personalFields: fields.filter((field) => field.personal).map((field) => field.name),
    withoutPersonal: (data) => {
      const kept: Record<string, unknown> = {};
      for (const field of open) if (Object.hasOwn(data, field)) kept[field] = data[field];
      return kept;
    },
    validate: (data) => {
      if (!isRecord(data)) return `data of '${name}' must be an object`;
      for (const field of fields) {
        const value = Object.hasOwn(data, field.name) ? data[field.name] : undefined;
        if (value === undefined) {
          if (!field.optional) return `data.${field.name} is required in '${name}'`;
        } else if (!(value === null && field.optional) && !isOfType(value, field.type)) {
          return `data.${field.name} must be ${field.type === 'any' ? 'present' : `of type ${field.type}`} in '${name}'`;
        } else if (field.enum !== null && value !== null && !field.enum.includes(value as string)) {
          return `data.${field.name} must be one of ${field.enum.join(', ')} in '${name}'`;
        }
      }
      if (closed) for (const key of Object.keys(data)) if (!names.has(key)) return `data.${key} is not a field of '${name}'`;
      return null;
    },
  };
};

const isOfType = (value: unknown, type: EventFieldType): boolean => {
  switch (type) {
    case 'any':
      return true;
    case 'integer':
      return Number.isSafeInteger(value);
    case 'number':
      return Number.isFinite(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isRecord(value);
    default:
      return typeof value === type;
  }
};
