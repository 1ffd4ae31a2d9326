/** The `attune` command: picks a subcommand, reads the configuration, and tells faults as plain lines. */
import { AttuneError } from '#contracts';
import { readConfig } from './config.ts';
import type { Config } from './config.ts';
import { EXIT } from './exit-codes.ts';
import { helpText } from './help.ts';

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
  import: async () => (await import('./commands/import.ts')).importCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
};

export const main = async (argv: readonly string[]): Promise<void> => {
  const [name = 'help', ...args] = argv;
  const load = COMMANDS[name];
  if (name === 'help' || argv.includes('--help') || argv.includes('-h')) {
    console.log(helpText());
    return;
  }
  if (load === undefined) {
    console.error(`attune: there is no command '${name}'; attune --help lists them`);
    process.exitCode = EXIT.failed;
    return;
  }
  try {
    const command = await load();
    await command(readConfig(process.env), args);
  } catch (error) {
    const known = error instanceof AttuneError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
    console.error(known ? `attune ${name}: ${(error as Error).message}` : error);
    process.exitCode = known ? EXIT.unusable : EXIT.failed;
  }
};
