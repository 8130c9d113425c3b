/** Shell for hosts stands in files of its own and is read as text. */
declare module '*.sh' {
  const text: string;
  export default text;
}
