import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { actionLinks, launcherScript } from '../../install/launcher.ts';
import { type Layout, layoutOf } from '../../install/layout.ts';

/** A self-contained OpenNebula directory with the driver as `linstor_un install` leaves it, as far as actions need it. */
export function layOut(directory: string, binary: string, config: string): Layout {
  const layout = layoutOf({ oneLocation: directory });
  for (const path of [layout.binary, layout.launcher, layout.config])
    mkdirSync(dirname(path), { recursive: true });
  copyFileSync(binary, layout.binary);
  writeFileSync(layout.launcher, launcherScript(layout));
  chmodSync(layout.launcher, 0o755);
  writeFileSync(layout.config, config);
  writeFileSync(`${layout.remotes}/VERSION`, '7.0.0\n');
  for (const { path, target } of actionLinks(layout)) {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path);
  }
  return layout;
}

/** oned's environment, as little of it as the driver reads. */
export function onedEnvironment(layout: Layout): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: layout.varDir,
    ONE_LOCATION: layout.oneLocation,
    LINSTOR_UN_LOG: `${layout.oneLocation}/linstor_un.log`,
  };
}
