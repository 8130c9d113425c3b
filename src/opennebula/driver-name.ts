/** TM and DS name under which oned knows us. */
export const driverName = 'linstor_un';
