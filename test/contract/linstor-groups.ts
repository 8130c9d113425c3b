/** Groups that the contract suite places with. The driver never makes groups: they have to be there before. */
export const contractGroup = 'contract-one';
export const contractWideGroup = 'contract-nine';

const groups = [
  {
    name: contractGroup,
    select_filter: { place_count: 1, storage_pool_list: ['thin'], layer_stack: ['STORAGE'] },
  },
  {
    name: contractWideGroup,
    select_filter: { place_count: 9, storage_pool_list: ['thin'], layer_stack: ['STORAGE'] },
  },
];

/** Makes the groups over the REST API of any LINSTOR, real or simulated. `base`: `http://127.0.0.1:3370`. */
export async function createContractGroups(base: string): Promise<void> {
  for (const group of groups) {
    const answer = await fetch(`${base}/v1/resource-groups`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(group),
    });
    const text = await answer.text();
    if (answer.status !== 201 && !text.includes('already exists'))
      throw new Error(`group ${group.name}: ${text}`);
  }
}

export async function deleteContractGroups(base: string): Promise<void> {
  for (const group of groups) {
    const answer = await fetch(`${base}/v1/resource-groups/${group.name}`, { method: 'DELETE' });
    if (answer.status !== 200) throw new Error(`group ${group.name} stays: ${await answer.text()}`);
  }
}
