import type { ActionRecord } from '../../log/record.ts';
import type { Metric, Sample } from './exposition.ts';

/** Seconds; a clone takes one or two, an import of a large image minutes. */
const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800] as const;

/**
 * How long actions took, from this front-end's log. It is rotated, so that the counts may fall; Prometheus takes that for a
 * restart.
 */
export function actionMetrics(records: readonly ActionRecord[]): Metric[] {
  const groups = Map.groupBy(records, ({ action, result }) => `${action.replace(/\..*$/, '')}\n${result}`);
  const samples = [...groups].flatMap(([key, group]): Sample[] => {
    const [action = '', result = ''] = key.split('\n');
    const seconds = group.map(({ ms }) => ms / 1000);
    const bucket = (le: string, count: number): Sample => ({
      labels: { action, result, le },
      value: count,
      suffix: '_bucket',
    });
    return [
      ...buckets.map((limit) => bucket(String(limit), seconds.filter((each) => each <= limit).length)),
      bucket('+Inf', seconds.length),
      {
        labels: { action, result },
        value: round(seconds.reduce((sum, each) => sum + each, 0)),
        suffix: '_sum',
      },
      { labels: { action, result }, value: seconds.length, suffix: '_count' },
    ];
  });
  return [
    {
      name: 'linstor_un_action_duration_seconds',
      type: 'histogram',
      help: 'Driver actions on this front-end, by result.',
      samples,
    },
  ];
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;
