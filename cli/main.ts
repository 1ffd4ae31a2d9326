/** The `attune` command: picks a subcommand, reads the configuration, and tells faults as plain lines. */
import { readConfig } from './config.ts';
import type { Config } from './config.ts';
import { tellUnknown } from './config/given-variables.ts';
import { EXIT } from './exit-codes.ts';
import { exitCodeOfCommand, textOfFault } from './faults.ts';
import { helpOfCommand, helpText } from './help.ts';
import { makeDataDir } from './make-data-dir.ts';

type Command = (config: Config, args: readonly string[]) => Promise<void>;

/** Loaded when asked for: the supervisor needs neither engines nor models. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./commands/up.ts')).up,
  serve: async () => (await import('./commands/serve.ts')).serve,
  pipeline: async () => (await import('./commands/pipeline.ts')).pipeline,
  warehouse: async () => (await import('./commands/warehouse.ts')).warehouse,
  demo: async () => (await import('./commands/demo.ts')).demo,
  'dead-letters': async () => (await import('./commands/dead-letters.ts')).deadLetters,
  snapshot: async () => (await import('./commands/snapshot.ts')).snapshot,
  rebuild: async () => (await import('./commands/rebuild.ts')).rebuild,
  rewards: async () => (await import('./commands/rewards.ts')).rewards,
  'warm-start': async () => (await import('./commands/warm-start.ts')).warmStartCommand,
  promote: async () => (await import('./commands/promote.ts')).promote,
  import: async () => (await import('./commands/import.ts')).importCommand,
  decide: async () => (await import('./commands/decide.ts')).decide,
  segment: async () => (await import('./commands/segment.ts')).segment,
  models: async () => (await import('./commands/models.ts')).models,
  train: async () => (await import('./commands/train.ts')).train,
  evaluate: async () => (await import('./commands/evaluate.ts')).evaluate,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
};

/** They tell of misspelt variables in their own words. */
const ROLES: ReadonlySet<string> = new Set(['up', 'serve', 'pipeline', 'warehouse', 'demo', 'doctor']);
const WITHOUT_DATA: ReadonlySet<string> = new Set(['demo', 'doctor']);

export const main = async (argv: readonly string[]): Promise<void> => {
  const [name = 'help', ...args] = argv;
  const load = COMMANDS[name];
  if (name === 'help' || argv.includes('--help') || argv.includes('-h')) {
    console.log(helpOfCommand(name === 'help' ? (args[0] ?? '') : name) ?? helpText());
    return;
  }
  if (load === undefined) {
    console.error(`attune: there is no command '${name}'; attune --help lists them`);
    process.exitCode = EXIT.failed;
    return;
  }
  try {
    const command = await load();
    const config = readConfig(process.env);
    if (!ROLES.has(name)) for (const unknown of config.unknown) console.error(`attune ${name}: ${tellUnknown(unknown)}`);
    if (!WITHOUT_DATA.has(name)) makeDataDir(config.dataDir);
    await command(config, args);
  } catch (error) {
    console.error(`attune ${name}: ${textOfFault(error)}`);
    process.exitCode = exitCodeOfCommand(error);
  }
};
