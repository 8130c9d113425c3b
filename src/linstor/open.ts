import { CliLinstor } from './cli/cli.ts';
import type { ControllerSettings } from './controller-settings.ts';
import type { Linstor } from './linstor.ts';
import type { LinstorHooks } from './rest/hooks.ts';
import { RestLinstor } from './rest/rest.ts';

/**
 * The client for these settings. Makes no call yet.
 * @throws BAD_ATTRIBUTE for controllers that are none, LINSTOR_UNSUPPORTED for settings that the transport cannot keep
 */
export function openLinstor(settings: ControllerSettings, hooks: LinstorHooks = {}): Linstor {
  return settings.transport === 'cli' ? new CliLinstor(settings, hooks) : new RestLinstor(settings, hooks);
}
