/** Lets a process of its own judge a promotion, for an API that must not be busy with it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { JudgePromotion, PromotionReport } from '#serving';

const ENTRY = fileURLToPath(new URL('../attune.mjs', import.meta.url));
const LONGEST_MS = 10 * 60_000;

/** Rejects with the last line that the process wrote to say why. */
export const judgeApart: JudgePromotion = ({ loop, version, epsilon, latency }) =>
  new Promise<PromotionReport>((resolve, reject) => {
    const args = ['promote', version, '--loop', loop, '--epsilon', String(epsilon), '--reason', 'asked by the API', '--dry-run', '--json'];
    if (latency !== null) args.push('--latency', JSON.stringify(latency));
    const child = spawn(process.execPath, [ENTRY, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: LONGEST_MS });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.once('error', reject);
    child.once('close', () => {
      const last = out.trim().split('\n').at(-1) ?? '';
      if (last.startsWith('{')) resolve(JSON.parse(last) as PromotionReport);
      else reject(new Error(err.trim().split('\n').at(-1) ?? 'it gave no answer'));
    });
  });
