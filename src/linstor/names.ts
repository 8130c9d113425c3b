declare const kind: unique symbol;

/** LINSTOR node name, as displayed by the controller. Not an OpenNebula host name: `findNode` leads from one to the other. */
export type NodeName = string & { readonly [kind]: 'node' };
/** Resource definition name. */
export type ResourceName = string & { readonly [kind]: 'resource' };

/** For what LINSTOR, a setting or a mapping has called a node. */
export const nodeName = (text: string): NodeName => text as NodeName;
/** For what LINSTOR has called a resource, or what was checked to be a name of one. */
export const resourceName = (text: string): ResourceName => text as ResourceName;
