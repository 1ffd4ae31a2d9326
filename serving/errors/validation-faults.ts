/** Turns the validator's findings into faults that name the field and say what is wrong in plain words. */
import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import type { FieldFault } from './problem.ts';

const MOST_FAULTS = 20;

export const validationFaults = (errors: readonly FastifySchemaValidationError[]): readonly FieldFault[] => {
  const deepest = withoutUnionNoise(errors);
  return deepest.slice(0, MOST_FAULTS).map(fault);
};

/** Of a union's findings only those of the branch that went deepest say something. */
const withoutUnionNoise = (errors: readonly FastifySchemaValidationError[]): readonly FastifySchemaValidationError[] => {
  const telling = errors.filter((error) => error.keyword !== 'anyOf');
  if (telling.length < errors.length && telling.length > 0) {
    const depth = Math.max(...telling.map((error) => depthOf(error)));
    return telling.filter((error) => depthOf(error) === depth);
  }
  return errors;
};

const depthOf = (error: FastifySchemaValidationError): number =>
  error.instancePath.split('/').length * 2 + (error.keyword === 'type' || error.keyword === 'const' ? 0 : 1);

const fault = (error: FastifySchemaValidationError): FieldFault => {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
  const inside = (name: unknown): string => (path === '' ? String(name) : `${path}.${String(name)}`);
  const params = error.params;
  switch (error.keyword) {
    case 'additionalProperties':
      return { field: inside(params['additionalProperty']), message: 'is not a known field' };
    case 'required':
      return { field: inside(params['missingProperty']), message: 'is required' };
    case 'propertyNames':
      return { field: inside(params['propertyName']), message: 'is not a good name' };
    case 'pattern':
      return { field: path, message: 'has a form that is not accepted' };
    case 'const':
      return { field: path, message: `must be ${JSON.stringify(params['allowedValue'])}` };
    default:
      return { field: path, message: error.message ?? 'is not valid' };
  }
};
