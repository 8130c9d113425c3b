/** How LINSTOR is reached. Attributes of a datastore, the configuration file or a test say it. */
export interface ControllerSettings {
  /**
   * In the order they are tried; empty only with TRANSPORT=cli: then the client's own configuration decides.
   * `linstor://host:3370`, `http(s)://…`, `host[:port]`.
   */
  readonly controllers: readonly string[];
  readonly transport: 'rest' | 'cli';
  /** The client's executable for TRANSPORT=cli. */
  readonly linstorCommand: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly token?: string;
  readonly username?: string;
  readonly password?: string;
}
