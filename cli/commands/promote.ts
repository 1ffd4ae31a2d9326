/** `attune promote VERSION`: a challenger becomes the champion where the logged decisions prove it, else every condition that failed. */
import { parseArgs } from 'node:util';
import { AttuneError } from '#contracts';
import type { PromotionLatency, PromotionReport } from '#serving';
import type { Config } from '../config.ts';
import { EXIT } from '../exit-codes.ts';
import { openStores } from '../open-stores.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';
import { appointChampion } from '../promotion/appoint.ts';
import { judgeVersion } from '../promotion/judge-version.ts';

const ASKED_WITHIN_MS = 3_000;

export const promote = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      loop: { type: 'string', default: '' },
      epsilon: { type: 'string', default: '0' },
      reason: { type: 'string' },
      actor: { type: 'string' },
      from: { type: 'string' },
      key: { type: 'string' },
      latency: { type: 'string' },
      force: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [version, ...rest] = positionals;
  if (version === undefined || rest.length > 0)
    throw new AttuneError('config.invalid', 'attune promote takes one version; GET /v1/models lists them');
  const epsilon = Number(values.epsilon);
  if (!(epsilon >= 0)) throw new AttuneError('config.invalid', `--epsilon must be 0 or more, not '${values.epsilon}'`);
  if ((epsilon > 0 || values.force) && values.reason === undefined)
    throw new AttuneError('config.invalid', `${values.force ? '--force' : '--epsilon'} needs --reason TEXT, which is recorded`);
  const { loop } = values;
  const stores = await openStores(config);
  try {
    if (!values.force) {
      const latency =
        values.latency === undefined
          ? await latencyInServing(config, { loop, version, key: values.key })
          : (JSON.parse(values.latency) as PromotionLatency);
      const warehouse = openConfiguredWarehouse(config);
      let report: PromotionReport;
      try {
        report = await judgeVersion(
          { ...stores, warehouse, catalogDir: config.catalogDir },
          {
            loop,
            version,
            latency,
            limits: { epsilon, ...(values.reason !== undefined && { reason: values.reason }) },
            ...(values.from !== undefined && { fromMs: timeOf(values.from) }),
          },
        );
      } finally {
        await warehouse.close();
      }
      tell(report, values.json);
      process.exitCode = report.promotes ? EXIT.ok : EXIT.failed;
      if (!report.promotes || values['dry-run']) return;
    } else if (values['dry-run']) return;
    const why = `${values.reason ?? 'proved by the logged decisions'}${values.force ? ' (forced, without proof)' : ''}${epsilon > 0 ? ` (epsilon ${epsilon})` : ''}`;
    await appointChampion(stores, { loop, version, note: `${values.actor ?? process.env['USER'] ?? 'attune promote'}: ${why}` });
    if (!values.json)
      console.log(`${version} is the champion${loop === '' ? '' : ` of loop "${loop}"`}: in force in every process within 2 s`);
    process.exitCode = EXIT.ok;
  } finally {
    await stores.close();
  }
};

const tell = (report: PromotionReport, asJson: boolean): void => {
  if (asJson) return console.log(JSON.stringify(report));
  for (const { name, holds, found } of report.conditions) console.log(`${holds ? 'holds ' : 'FAILED'} ${name.padEnd(12)} ${found}`);
  if (!report.promotes) console.log('it stays a challenger');
};

interface ShadowOfModel {
  readonly loop: string;
  readonly version: string;
  readonly shadow: {
    readonly decisions: number;
    readonly latencyUs: { readonly p99: number };
    readonly championLatencyUs: { readonly p99: number };
  } | null;
}

/** Null: no API answers here, or it has not tried the version. */
const latencyInServing = async (
  { host, port }: Config,
  { loop, version, key }: { readonly loop: string; readonly version: string; readonly key: string | undefined },
): Promise<PromotionLatency | null> => {
  try {
    const response = await fetch(`http://${host}:${port}/v1/models`, {
      signal: AbortSignal.timeout(ASKED_WITHIN_MS),
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    });
    if (!response.ok) return null;
    const { models } = (await response.json()) as { models: readonly ShadowOfModel[] };
    const shadow = models.find((one) => one.loop === loop && one.version === version)?.shadow ?? null;
    return shadow === null
      ? null
      : { decisions: shadow.decisions, challengerP99Us: shadow.latencyUs.p99, championP99Us: shadow.championLatencyUs.p99 };
  } catch {
    return null;
  }
};

const timeOf = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new AttuneError('config.invalid', `--from must be a date as in 2026-11-25T10:00:00Z, not '${text}'`);
  return ms;
};
