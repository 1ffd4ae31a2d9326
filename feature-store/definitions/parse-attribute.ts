/** One attribute of features.yaml: its type, its known values, and the events that set it. */
import type { AttributeValue } from '#contracts';
import type { DocumentPath } from '#project';
import type { AttributeDefinition, AttributeSetter } from './definitions.ts';
import type { DefinitionContext } from './parse-definitions.ts';
import { isRecord, parseEvent, parseField, parseWhen, refuseUnknownKeys } from './parse-parts.ts';

const TYPES = ['string', 'number', 'boolean'] as const;
/** An attribute that says nothing else is taken from this event's field of the same name. */
const DEFAULT_EVENT = 'customer.updated';

export const parseAttribute = (context: DefinitionContext, name: string, value: Record<string, unknown>): AttributeDefinition => {
  const at = ['attributes', name];
  const { document, faults } = context;
  refuseUnknownKeys(context, at, value, ['type', 'enum', 'personal', 'set', 'description']);
  const type = TYPES.find((known) => known === value['type']) ?? 'string';
  if (type !== value['type']) faults.push(document.fault(at, `type must be one of ${TYPES.join(', ')}`));
  const values = value['enum'] ?? [];
  if (!Array.isArray(values) || (values.length > 0 && type !== 'string'))
    faults.push(document.fault([...at, 'enum'], 'enum must be a list of strings'));
  const setters = value['set'] ?? [{ event: DEFAULT_EVENT }];
  if (!Array.isArray(setters)) faults.push(document.fault([...at, 'set'], 'set must be a list of events'));
  return {
    name,
    type,
    values: Array.isArray(values) ? values.map(String) : [],
    personal: value['personal'] === true,
    set: (Array.isArray(setters) ? setters : []).map((setter, i) => parseSetter(context, [...at, 'set', i], { name, type }, setter)),
  };
};

const parseSetter = (
  context: DefinitionContext,
  at: DocumentPath,
  attribute: { name: string; type: string },
  value: unknown,
): AttributeSetter => {
  const { document, faults } = context;
  const setter = isRecord(value) ? value : {};
  if (setter !== value) faults.push(document.fault(at, 'an entry of set is a mapping with event, and field or value'));
  refuseUnknownKeys(context, at, setter, ['event', 'field', 'value', 'when']);
  const event = parseEvent(context, [...at, 'event'], setter['event']);
  const when = parseWhen(context, [...at, 'when'], setter['when']);
  if (setter['value'] === undefined) {
    const types = attribute.type === 'number' ? ['number', 'integer'] : [attribute.type];
    return { event, field: parseField(context, [...at, 'field'], event, setter['field'] ?? attribute.name, types), value: null, when };
  }
  if (setter['field'] !== undefined) faults.push(document.fault(at, `give 'field' or 'value', not both`));
  if (typeof setter['value'] !== attribute.type) faults.push(document.fault([...at, 'value'], `value must be of type ${attribute.type}`));
  return { event, field: null, value: setter['value'] as AttributeValue, when };
};
