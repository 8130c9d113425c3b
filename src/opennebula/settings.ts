import type { FieldsOf, NamesOf } from './attributes.ts';

/** Where new volumes go. Taken as a whole from one datastore, never mixed from two. */
export type PlacementSettings = FieldsOf<NamesOf<'placement'>>;

/** How LINSTOR is reached. */
export interface ControllerSettings extends Omit<FieldsOf<NamesOf<'controller'>>, 'controllers'> {
  /**
   * In the order they are tried; empty only with TRANSPORT=cli: then the client's own configuration decides.
   * `linstor://host:3370`, `http(s)://…`, `host[:port]`.
   */
  readonly controllers: readonly string[];
  readonly transport: FieldsOf<'TRANSPORT'>['transport'];
  /** The client's executable for TRANSPORT=cli. */
  readonly linstorCommand: string;
}

/** All attributes of the datastore(s) and of linstor_un.conf, validated and merged into one value. */
export interface Settings extends ControllerSettings, Omit<FieldsOf<NamesOf<'other'>>, 'transport'> {
  readonly placement: PlacementSettings;
}

/** How a non-persistent disk comes from its image. */
export type CloneMode = Settings['cloneMode'];
