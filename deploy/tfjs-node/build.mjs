/**
 * Builds the native TensorFlow.js backend for Linux from what npm and PyPI hold, where its own install cannot download its library:
 *
 *   node deploy/tfjs-node/build.mjs [--into DIR]
 *
 * The addon's sources come in the npm package, the headers of Node-API in another, TensorFlow's C API with its headers in PyPI's wheel. It
 * needs g++ (C++17), pip and npm, 1.2 GB of disk while it builds and 620 MB after. docs/decisions/0026 says what it gains.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The last with the C++ library beside the C API and headers that the addon's sources of 4.22 compile against. */
const TENSORFLOW = 'tensorflow-cpu==2.15.1';
const TFJS_NODE = '@tensorflow/tfjs-node@4.22.0';
const HEADERS = 'node-api-headers@1.9.0';
const NAPI = 8;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const at = process.argv.indexOf('--into');
const into = at < 0 ? root : resolve(process.argv[at + 1] ?? fail('--into needs a directory with a node_modules'));

function fail(what) {
  process.stderr.write(`tfjs-node: ${what}\n`);
  process.exit(1);
}

const run = (command, args, options = {}) => {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (error !== undefined) fail(`${command} is needed: ${error.message}`);
  if (status !== 0) fail(`${command} ${args[0]} ended with ${status}`);
};

if (process.platform !== 'linux' || process.arch !== 'x64')
  fail(`only for Linux on x64, not ${process.platform} on ${process.arch}; elsewhere training uses WebAssembly`);

const scratch = mkdtempSync(join(tmpdir(), 'attune-tfjs-node-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const addon = join(into, 'node_modules/@tensorflow/tfjs-node');
if (!existsSync(join(addon, 'binding')))
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', TFJS_NODE], { cwd: into });

run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', scratch, HEADERS]);
const platform = ['--platform', 'manylinux_2_17_x86_64'];
run('pip', ['download', '--no-deps', '--only-binary=:all:', '--python-version', '3.11', ...platform, '-d', scratch, TENSORFLOW]);
const wheel = readdirSync(scratch).find((name) => name.endsWith('.whl')) ?? fail('pip brought no wheel');
// Python is there, since pip is; its zipfile spares a package.
run('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), scratch]);

const lib = join(addon, 'deps/lib');
mkdirSync(lib, { recursive: true });
for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
  copyFileSync(join(scratch, 'tensorflow', name), join(lib, name));

const out = join(addon, `lib/napi-v${NAPI}`);
mkdirSync(out, { recursive: true });
run('g++', [
  ...['-std=c++17', '-O2', '-shared', '-fPIC', `-DNAPI_VERSION=${NAPI}`, '-DNODE_GYP_MODULE_NAME=tfjs_binding'],
  ...['-I', join(scratch, 'node_modules/node-api-headers/include'), '-I', join(scratch, 'tensorflow/include')],
  ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(addon, 'binding', name)),
  ...['-L', lib, '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2', '-Wl,-rpath,$ORIGIN/../../deps/lib'],
  ...['-o', join(out, 'tfjs_binding.node')],
]);

// As models/trunk/tensorflow.ts loads it: Node 23 took away what the package still asks for.
const require = createRequire(join(into, 'package.json'));
const util = require('node:util');
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
const tf = require('@tensorflow/tfjs-node');
const [product] = tf
  .matMul([[1, 2]], [[3], [4]])
  .dataSync()
  .values();
if (tf.getBackend() !== 'tensorflow' || product !== 11) fail(`it was built but computes ${product} instead of 11 on ${tf.getBackend()}`);
process.stdout.write(`tfjs-node: built in ${addon}; \`attune doctor\` finds it, and training uses it\n`);
