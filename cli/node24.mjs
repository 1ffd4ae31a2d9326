/**
 * Runs on whatever Node a newcomer has (20 or later): finds the pinned Node 24, or says what to do.
 * Plain JavaScript, because an older Node cannot read our TypeScript; without imports of ours, because `npm ci` may have failed.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MAJOR = 24;
const root = fileURLToPath(new URL('..', import.meta.url));
const pinned = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
const windows = `${pinned}.exe`;

/** The Node to use: null when this one is good, its path when the pinned one must take over; ends the process when there is none. */
export const nodeToUse = () => {
  if (!existsSync(new URL('../node_modules', import.meta.url))) fail('the dependencies are not installed');
  if (Number(process.versions.node.split('.')[0]) >= MAJOR) return null;
  if (existsSync(pinned)) return pinned;
  if (existsSync(windows)) return windows;
  return fail(`Attune needs Node ${MAJOR}; this is ${process.versions.node}, and the pinned one (node_modules/node) is missing`);
};

/** Runs a script of ours under another Node with our arguments, and our terminal where nothing else is said; resolves to its exit code. */
export const runUnder = (node, script, args, output = 'inherit') =>
  new Promise((resolve) => {
    const child = spawn(node, [script, ...args], { stdio: ['inherit', output, output] });
    // The terminal sends Ctrl-C to both of us; the child decides when it is done.
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    process.on('SIGHUP', () => child.kill('SIGHUP'));
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });

const fail = (reason) => {
  console.error(
    `attune: ${reason}.\nRun \`npm ci\` in ${root} and look for errors; then try again. (Or install Node ${MAJOR} from https://nodejs.org.)`,
  );
  process.exit(1);
};
