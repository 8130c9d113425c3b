/** The same object, which asks `check` before each call of a method that `concerns`; what it throws is thrown instead. */
export function guarded<T extends object>(
  target: T,
  concerns: (method: string | symbol) => boolean,
  check: () => Promise<void>,
): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (!concerns(name)) return (...args: unknown[]) => Reflect.apply(value, target, args);
      return async (...args: unknown[]) => {
        await check();
        return Reflect.apply(value, target, args);
      };
    },
  });
}
