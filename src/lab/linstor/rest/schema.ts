/**
 * What request bodies may hold, by REST version (linstor-behaviour §0.2, §0.4; the API description of the
 * releases). `since` is the minor number of the REST version that knows the field.
 */
export type FieldType =
  | 'string'
  | 'int'
  | 'long'
  | 'double'
  | 'bool'
  | 'strings'
  | 'longs'
  | 'map'
  | 'intmap'
  | 'any'
  | { readonly one: SchemaName }
  | { readonly many: SchemaName };

export interface Field {
  readonly type: FieldType;
  readonly since?: number;
}

export interface Schema {
  /** Name of the class in the controller's parser messages. */
  readonly className: string;
  readonly fields: Readonly<Record<string, Field>>;
}

const f = (type: FieldType, since?: number): Field => (since === undefined ? { type } : { type, since });
const propsChange = {
  override_props: f('map'),
  delete_props: f('strings'),
  delete_namespaces: f('strings'),
} as const;
const snapshotCopies = { copy_all_snaps: f('bool', 26), snap_names: f('strings', 26) } as const;

const filterFields = {
  storage_pool: f('string'),
  overprovision: f('double'),
  replicas_on_same: f('strings'),
  diskless_type: f('string'),
  storage_pool_diskless_list: f('strings'),
  provider_list: f('strings'),
  not_place_with_rsc: f('strings'),
  port_count: f('int', 26),
  x_replicas_on_different_map: f('intmap', 23),
  node_name_list: f('strings'),
  place_count: f('int'),
  layer_stack: f('strings'),
  storage_pool_list: f('strings'),
  additional_place_count: f('int'),
  not_place_with_rsc_regex: f('string'),
  replicas_on_different: f('strings'),
  diskless_on_remaining: f('bool'),
} as const;

export const schemas = {
  AutoSelectFilter: { className: 'AutoSelectFilter', fields: filterFields },
  ResourceGroup: {
    className: 'ResourceGroup',
    fields: {
      props: f('map'),
      peer_slots: f('int', 21),
      name: f('string'),
      description: f('string'),
      select_filter: f({ one: 'AutoSelectFilter' }),
      uuid: f('string'),
    },
  },
  ResourceGroupModify: {
    className: 'ResourceGroupModify',
    fields: {
      description: f('string'),
      ...propsChange,
      select_filter: f({ one: 'AutoSelectFilter' }),
      peer_slots: f('int', 21),
      ...snapshotCopies,
    },
  },
  ResourceGroupAdjust: {
    className: 'ResourceGroupAdjust',
    fields: { select_filter: f({ one: 'AutoSelectFilter' }), ...snapshotCopies },
  },
  ResourceGroupSpawn: {
    className: 'ResourceGroupSpawn',
    fields: {
      resource_definition_name: f('string'),
      resource_definition_external_name: f('string'),
      volume_sizes: f('longs'),
      select_filter: f({ one: 'AutoSelectFilter' }),
      partial: f('bool'),
      definitions_only: f('bool'),
      peer_slots: f('int', 21),
      volume_passphrases: f('strings', 22),
      resource_definition_props: f('map', 22),
    },
  },
  QuerySizeInfoRequest: {
    className: 'QuerySizeInfoRequest',
    fields: { select_filter: f({ one: 'AutoSelectFilter' }), ignore_cache_older_than_sec: f('int') },
  },
  VolumeGroup: {
    className: 'VolumeGroup',
    fields: { volume_number: f('int'), props: f('map'), uuid: f('string'), flags: f('strings') },
  },
  VolumeGroupModify: { className: 'VolumeGroupModify', fields: { ...propsChange, flags: f('strings') } },
  ResourceDefinitionCreate: {
    className: 'ResourceDefinitionCreate',
    fields: {
      drbd_port: f('int'),
      resource_definition: f({ one: 'ResourceDefinition' }),
      drbd_secret: f('string'),
      drbd_peer_slots: f('int'),
      drbd_transport_type: f('string'),
    },
  },
  ResourceDefinition: {
    className: 'ResourceDefinition',
    fields: {
      name: f('string'),
      external_name: f('string'),
      props: f('map'),
      flags: f('strings'),
      layer_data: f({ many: 'ResourceDefinitionLayer' }),
      uuid: f('string'),
      resource_group_name: f('string'),
      volume_definitions: f({ many: 'VolumeDefinition' }),
    },
  },
  ResourceDefinitionLayer: {
    className: 'ResourceDefinitionLayer',
    fields: { type: f('string'), data: f('any') },
  },
  ResourceDefinitionModify: {
    className: 'ResourceDefinitionModify',
    fields: {
      ...propsChange,
      drbd_port: f('int'),
      drbd_peer_slots: f('int'),
      layer_stack: f('strings'),
      resource_group: f('string'),
    },
  },
  ResourceDefinitionCloneRequest: {
    className: 'ResourceDefinitionCloneRequest',
    fields: {
      name: f('string'),
      external_name: f('string'),
      use_zfs_clone: f('bool'),
      volume_passphrases: f('strings', 22),
      layer_list: f('strings', 24),
      resource_group: f('string', 24),
      override_props: f('map', 26),
      delete_props: f('strings', 26),
      delete_namespaces: f('strings', 26),
      volume_sizes: f('longs', 29),
    },
  },
  VolumeDefinitionCreate: {
    className: 'VolumeDefinitionCreate',
    fields: {
      volume_definition: f({ one: 'VolumeDefinition' }),
      drbd_minor_number: f('int'),
      passphrase: f('string', 22),
    },
  },
  VolumeDefinition: {
    className: 'VolumeDefinition',
    fields: {
      volume_number: f('int'),
      size_kib: f('long'),
      props: f('map'),
      flags: f('strings'),
      layer_data: f('any'),
      uuid: f('string'),
    },
  },
  VolumeDefinitionModify: {
    className: 'VolumeDefinitionModify',
    fields: { size_kib: f('long'), ...propsChange, flags: f('strings') },
  },
  VolumeDefinitionModifyPassphrase: {
    className: 'VolumeDefinitionModifyPassphrase',
    fields: { new_passphrase: f('string') },
  },
  ResourceCreate: {
    className: 'ResourceCreate',
    fields: {
      resource: f({ one: 'Resource' }),
      layer_list: f('strings'),
      drbd_node_id: f('int'),
      drbd_tcp_port_count: f('int', 26),
      drbd_tcp_ports: f('longs', 26),
      ...snapshotCopies,
      drbd_client: f('bool', 28),
    },
  },
  Resource: {
    className: 'Resource',
    fields: {
      name: f('string'),
      node_name: f('string'),
      props: f('map'),
      flags: f('strings'),
      layer_object: f('any'),
      state: f('any'),
      uuid: f('string'),
      create_timestamp: f('long'),
      effective_props: f('any', 22),
    },
  },
  ResourceModify: {
    className: 'ResourceModify',
    fields: { ...propsChange, drbd_tiebreaker: f('bool', 28), drbd_client: f('bool', 28) },
  },
  ResourceMakeAvailable: {
    className: 'ResourceMakeAvailable',
    fields: {
      layer_list: f('strings'),
      diskful: f('bool'),
      drbd_tcp_ports: f('longs', 26),
      ...snapshotCopies,
      auto_manage_dual_primary: f('bool', 29),
    },
  },
  ResourceUnmakeAvailable: {
    className: 'ResourceUnmakeAvailable',
    fields: { auto_manage_dual_primary: f('bool', 29) },
  },
  ToggleDisk: {
    className: 'ToggleDisk',
    fields: {
      operation: f('string'),
      storage_pool: f('string'),
      migrate_from: f('string'),
      layer_list: f('strings'),
    },
  },
  ToggleDiskDiskful: { className: 'ToggleDiskDiskful', fields: { layer_list: f('strings') } },
  AutoPlaceRequest: {
    className: 'AutoPlaceRequest',
    fields: {
      diskless_on_remaining: f('bool'),
      select_filter: f({ one: 'AutoSelectFilter' }),
      layer_list: f('strings'),
      ...snapshotCopies,
    },
  },
  Snapshot: {
    className: 'Snapshot',
    fields: {
      name: f('string'),
      resource_name: f('string'),
      nodes: f('strings'),
      props: f('map'),
      snapshot_definition_props: f('map', 24),
      resource_definition_props: f('map', 24),
      flags: f('strings'),
      volume_definitions: f('any'),
      uuid: f('string'),
      snapshots: f('any'),
    },
  },
  SnapshotModify: { className: 'SnapshotModify', fields: propsChange },
  CreateMultiSnapshotRequest: {
    className: 'CreateMultiSnapshotRequest',
    fields: { snapshots: f({ many: 'Snapshot' }) },
  },
  SnapshotRestore: {
    className: 'SnapshotRestore',
    fields: { to_resource: f('string'), nodes: f('strings'), stor_pool_rename: f('map', 21) },
  },
  SnapshotRollback: { className: 'SnapshotRollback', fields: { zfs_rollback_strategy: f('string', 26) } },
  KeyValueStoreModify: { className: 'KeyValueStoreModify', fields: propsChange },
  PropsModify: { className: 'ControllerPropsModify', fields: propsChange },
  PassPhraseCreate: {
    className: 'PassPhraseCreate',
    fields: { new_passphrase: f('string'), old_passphrase: f('string') },
  },
  NodeModify: { className: 'NodeModify', fields: { node_type: f('string'), ...propsChange } },
  NodeRestore: {
    className: 'NodeRestore',
    fields: { delete_resources: f('bool'), delete_snapshots: f('bool') },
  },
  NodeEvacuate: {
    className: 'NodeEvacuate',
    fields: { target: f('strings', 27), do_not_target: f('strings', 27) },
  },
  Node: {
    className: 'Node',
    fields: {
      name: f('string'),
      type: f('string'),
      flags: f('strings'),
      props: f('map'),
      net_interfaces: f({ many: 'NetInterface' }),
      connection_status: f('string'),
      uuid: f('string'),
      storage_providers: f('strings'),
      resource_layers: f('strings'),
      unsupported_providers: f('any'),
      unsupported_layers: f('any'),
      eviction_timestamp: f('long'),
    },
  },
  NetInterface: {
    className: 'NetInterface',
    fields: {
      name: f('string'),
      address: f('string'),
      satellite_port: f('int'),
      satellite_encryption_type: f('string'),
      is_active: f('bool'),
      uuid: f('string'),
    },
  },
  StoragePool: {
    className: 'StoragePool',
    fields: {
      storage_pool_name: f('string'),
      node_name: f('string'),
      provider_kind: f('string'),
      props: f('map'),
      static_traits: f('any'),
      free_capacity: f('long'),
      total_capacity: f('long'),
      free_space_mgr_name: f('string'),
      uuid: f('string'),
      reports: f('any'),
      supports_snapshots: f('bool'),
      shared_space: f('string'),
      external_locking: f('bool'),
    },
  },
} as const satisfies Record<
  string,
  Schema | { className: string; fields: Record<string, { type: unknown; since?: number }> }
>;

export type SchemaName =
  | 'AutoSelectFilter'
  | 'ResourceGroup'
  | 'ResourceGroupModify'
  | 'ResourceGroupAdjust'
  | 'ResourceGroupSpawn'
  | 'QuerySizeInfoRequest'
  | 'VolumeGroup'
  | 'VolumeGroupModify'
  | 'ResourceDefinitionCreate'
  | 'ResourceDefinition'
  | 'ResourceDefinitionLayer'
  | 'ResourceDefinitionModify'
  | 'ResourceDefinitionCloneRequest'
  | 'VolumeDefinitionCreate'
  | 'VolumeDefinition'
  | 'VolumeDefinitionModify'
  | 'VolumeDefinitionModifyPassphrase'
  | 'ResourceCreate'
  | 'Resource'
  | 'ResourceModify'
  | 'ResourceMakeAvailable'
  | 'ResourceUnmakeAvailable'
  | 'ToggleDisk'
  | 'ToggleDiskDiskful'
  | 'AutoPlaceRequest'
  | 'Snapshot'
  | 'SnapshotModify'
  | 'CreateMultiSnapshotRequest'
  | 'SnapshotRestore'
  | 'SnapshotRollback'
  | 'KeyValueStoreModify'
  | 'PropsModify'
  | 'PassPhraseCreate'
  | 'NodeModify'
  | 'NodeRestore'
  | 'NodeEvacuate'
  | 'Node'
  | 'NetInterface'
  | 'StoragePool';

export const schemaOf = (name: SchemaName): Schema => schemas[name];
