import type { Context } from '../../context.ts';
import { toDriverError } from '../../errors.ts';
import { logPath } from '../../log/json-log.ts';
import { readLog } from '../../log/read-log.ts';
import type { ActionRecord } from '../../log/record.ts';
import { readConfig } from '../../opennebula/config-file.ts';
import { exitCodeOf, type Finding } from '../checks/check.ts';
import type { Facts } from '../checks/facts.ts';
import type { CliEnvironment } from '../command.ts';
import { gather, type Opened, sectionsOf } from '../doctor.ts';
import { paintFor } from '../paint.ts';
import { runningNow } from '../running.ts';
import { type Overview, renderOverview } from '../status/render.ts';
import { overviewOf } from '../status/status.ts';
import { type Plain, secretValues, withoutSecrets } from './clean.ts';
import { configurationOf } from './configuration.ts';
import { collectErrorReports, type NotedError } from './error-reports.ts';

export interface Report {
  /** ISO 8601. */
  readonly made: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly doctor: readonly { readonly title: string; readonly findings: readonly Finding[] }[];
  readonly status: Overview;
  /** The same as `linstor_un status` prints it. */
  readonly screen: string;
  readonly failed: readonly ActionRecord[];
  readonly slow: readonly ActionRecord[];
  readonly configuration: Plain;
  readonly errorReports: readonly NotedError[];
  /** What could not be read, and why. */
  readonly missing: readonly string[];
}

export interface ReportOptions {
  /** Of the failed and of the slow actions, the newest so many. */
  readonly last: number;
  /** Milliseconds from which an action is slow. */
  readonly slowFrom: number;
  readonly withoutHosts: boolean;
}

const screenWidth = 120;

/** Reads everything once and takes every secret out; what cannot be read is told in `missing`. */
export async function collectReport(
  opened: Opened,
  environment: CliEnvironment,
  options: ReportOptions,
): Promise<Report> {
  const { context } = opened;
  const missing: string[] = [];
  const facts = await gather(opened, environment, options.withoutHosts);
  const config = readConfiguration(context, environment, missing);
  const { failed, slow } = readActions(environment, options, missing);
  const sections = sectionsOf(facts, environment);
  const status = {
    ...overviewOf(facts),
    running: runningNow(environment.env, environment.now().getTime()),
  };
  const report: Report = {
    made: environment.now().toISOString(),
    versions: versionsOf(facts, environment),
    verdict:
      (['ok', 'warn', 'fail'] as const)[exitCodeOf(sections.flatMap((each) => each.findings))] ?? 'fail',
    doctor: sections,
    status,
    screen: renderOverview(status, {
      width: screenWidth,
      paint: paintFor(false),
      all: true,
      now: environment.now().getTime(),
    }),
    failed,
    slow,
    configuration: configurationOf(facts, config),
    errorReports: await collectErrorReports(context, facts, failed, missing),
    missing,
  };
  return withoutSecrets(report as unknown as Plain, secretsIn(facts, config)) as unknown as Report;
}

function readConfiguration(
  { remotes }: Context,
  { env }: CliEnvironment,
  missing: string[],
): Readonly<Record<string, string>> {
  try {
    return readConfig({ env, ...(remotes === undefined ? {} : { remotes }) }).values;
  } catch (error) {
    missing.push(toDriverError(error).message);
    return {};
  }
}

function readActions(
  { env }: CliEnvironment,
  { last, slowFrom }: ReportOptions,
  missing: string[],
): { failed: readonly ActionRecord[]; slow: readonly ActionRecord[] } {
  const path = logPath(env);
  try {
    if (path === undefined) throw new Error('there is no log: LINSTOR_UN_LOG is empty');
    const { records, unreadable } = readLog(path);
    if (unreadable > 0) missing.push(`${unreadable} lines of ${path} are not records`);
    return {
      failed: records.filter(({ result }) => result === 'failed').slice(-last),
      slow: records.filter(({ result, ms }) => result === 'ok' && ms >= slowFrom).slice(-last),
    };
  } catch (error) {
    missing.push(error instanceof Error ? error.message : String(error));
    return { failed: [], slow: [] };
  }
}

function versionsOf(facts: Facts, environment: CliEnvironment): Record<string, string> {
  const versions: Record<string, string> = {
    linstor_un: environment.version,
    'installed linstor_un': facts.files.installedVersion ?? 'not installed here',
    Bun: Bun.version,
    OpenNebula: facts.one.version.ok ? facts.one.version.value : 'no answer',
  };
  for (const { label, capabilities } of facts.clusters)
    versions[`LINSTOR at ${label}`] = capabilities.ok
      ? `${capabilities.value.serverVersion} (REST ${capabilities.value.restVersion})`
      : 'no answer';
  for (const { host, version } of facts.frontEnds)
    versions[`linstor_un on ${host}`] = version.ok ? version.value : 'no answer';
  for (const [host, answer] of facts.hosts)
    versions[`host ${host}`] = answer.ok
      ? `Linux ${answer.value.kernel}, DRBD ${answer.value.drbd || 'none'}, qemu-img ${answer.value.qemuImg || 'none'}`
      : 'no answer';
  return versions;
}

/** Of the settings in force, and of every attribute that might hold one. */
function secretsIn(facts: Facts, config: Readonly<Record<string, string>>): string[] {
  const settings = [...facts.settings.values()].flatMap((each) => (each.ok ? [each.value] : []));
  const clusters = facts.clusters.map((each) => each.settings);
  const templates = facts.one.datastores.ok ? facts.one.datastores.value.map((each) => each.template) : [];
  const found = [
    ...[...settings, ...clusters].flatMap(({ token, password }) => [token, password]),
    ...[config, ...templates].flatMap(secretValues),
  ];
  return [...new Set(found.filter((each): each is string => each !== undefined && each !== ''))];
}
