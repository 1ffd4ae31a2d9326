/** The environment without what configures Attune or its tests: a system under test is embedded and open, whatever this machine is set to. */
import { describeVariables } from '../cli/config/variables.ts';

export const embeddedEnv = (): NodeJS.ProcessEnv => {
  const ours = new Set(describeVariables().flatMap(({ name }) => [name, `${name}_FILE`]));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name) && !name.startsWith('ATTUNE_')));
};
