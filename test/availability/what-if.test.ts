import { describe, expect, test } from 'bun:test';
import { isHarmless, judgeAbsence, type WhatIfFacts } from '../../src/availability/what-if.ts';
import { nodeName } from '../../src/linstor/names.ts';
import { readSettings } from '../../src/opennebula/read-settings.ts';
import { definition, disk, diskless, image, node, placedOn, replica, vm } from '../cli/world.ts';

const settings = readSettings({ values: {}, client: {}, linstorCommand: 'linstor', ignored: [] });
const majority = { props: { 'DrbdOptions/Resource/quorum': 'majority' } };
const on = (host: string) => ({ history: placedOn(host, 0) });
const tie = (name: string, where: string) =>
  diskless(name, where, { flags: ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'] });

const behindOn = (where: string) => {
  const whole = replica('one-vm-7-disk-0', where);
  return { ...whole, volumes: whole.volumes.map((volume) => ({ ...volume, diskState: 'Inconsistent' })) };
};

function facts(more: Partial<WhatIfFacts>): WhatIfFacts {
  return {
    vms: [vm(7, on('alpha'))],
    images: [image(3)],
    settings,
    node: nodeName('alpha'),
    host: 'alpha',
    definitions: [definition('one-vm-7-disk-0', majority)],
    resources: [
      replica('one-vm-7-disk-0', 'alpha'),
      replica('one-vm-7-disk-0', 'bravo'),
      tie('one-vm-7-disk-0', 'charlie'),
    ],
    cluster: { nodes: [node('alpha'), node('bravo'), node('charlie')], groups: [], properties: {} },
    ...more,
  };
}

const fate = (more: Partial<WhatIfFacts>): string => {
  const [found] = judgeAbsence(facts(more)).vms;
  return found ? `${found.fate}${found.stops ? ', stops' : ''}` : 'nothing';
};

describe('a VM', () => {
  test('on the host: it stops, one copy and a quorum are left', () => {
    expect(fate({})).toBe('last, stops');
    expect(isHarmless(judgeAbsence(facts({})))).toBe(true);
  });

  test('elsewhere, with three copies', () => {
    const resources = ['alpha', 'bravo', 'charlie'].map((each) => replica('one-vm-7-disk-0', each));
    expect(fate({ vms: [vm(7, on('bravo'))], resources })).toBe('fewer');
  });

  test('elsewhere, whose tie-breaker is on the host: two replicas are a majority', () => {
    const resources = [
      replica('one-vm-7-disk-0', 'bravo'),
      replica('one-vm-7-disk-0', 'charlie'),
      tie('one-vm-7-disk-0', 'alpha'),
    ];
    expect(fate({ vms: [vm(7, on('bravo'))], resources })).toBe('nothing');
  });

  test('without a tie-breaker the other half stands still', () => {
    const resources = [replica('one-vm-7-disk-0', 'alpha'), replica('one-vm-7-disk-0', 'bravo')];
    expect(fate({ vms: [vm(7, on('bravo'))], resources })).toBe('stalled');
    expect(isHarmless(judgeAbsence(facts({ resources })))).toBe(false);
  });

  test('with quorum off nobody asks', () => {
    const definitions = [definition('one-vm-7-disk-0', { props: { 'DrbdOptions/Resource/quorum': 'off' } })];
    const resources = [replica('one-vm-7-disk-0', 'alpha'), replica('one-vm-7-disk-0', 'bravo')];
    expect(fate({ definitions, resources })).toBe('last, stops');
  });

  test('the other replica is behind, or its node is away already', () => {
    const behind = [
      replica('one-vm-7-disk-0', 'alpha'),
      behindOn('bravo'),
      tie('one-vm-7-disk-0', 'charlie'),
    ];
    expect(fate({ resources: behind })).toBe('lost, stops');
    const cluster = {
      nodes: [node('alpha'), node('bravo', { status: 'OFFLINE' }), node('charlie')],
      groups: [],
      properties: {},
    };
    expect(fate({ cluster })).toBe('lost, stops');
  });

  test('plain storage of the host', () => {
    const definitions = [definition('one-vm-7-disk-0', { layers: ['STORAGE'] })];
    const resources = [replica('one-vm-7-disk-0', 'alpha', { layers: ['STORAGE'] })];
    expect(fate({ definitions, resources })).toBe('lost, stops');
  });

  test('nothing of it is there', () => {
    const resources = [replica('one-vm-7-disk-0', 'bravo'), replica('one-vm-7-disk-0', 'charlie')];
    expect(fate({ vms: [vm(7, on('bravo'))], resources })).toBe('nothing');
  });
});

test('an image that was adopted keeps its own name', () => {
  const definitions = [definition('OpenNebula-Image-3', majority)];
  const resources = [replica('OpenNebula-Image-3', 'alpha')];
  const images = [image(3, { source: '/dev/drbd/by-res/OpenNebula-Image-3/0' })];
  const answer = judgeAbsence(facts({ vms: [], definitions, resources, images }));
  expect(answer.images.map((each) => [each.image, each.fate])).toEqual([[3, 'lost']]);
});

test('an image counts for the VM that has it, else for itself', () => {
  const definitions = [definition('one-image-3', majority)];
  const resources = [
    replica('one-image-3', 'alpha'),
    replica('one-image-3', 'bravo'),
    tie('one-image-3', 'charlie'),
  ];
  const persistent = vm(7, {
    ...on('bravo'),
    disks: [disk(0, { kind: 'persistent', source: '/dev/drbd/by-res/one-image-3/0', imageId: 3 })],
  });
  const used = judgeAbsence(facts({ vms: [persistent], definitions, resources }));
  expect(used.vms.map(({ id, fate }) => [id, fate])).toEqual([[7, 'last']]);
  expect(used.images).toEqual([]);
  const free = judgeAbsence(facts({ vms: [], definitions, resources }));
  expect(free.images.map((each) => [each.image, each.fate])).toEqual([[3, 'last']]);
});
