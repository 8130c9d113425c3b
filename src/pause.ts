/** The pause in milliseconds that follows this one, when something is asked again until it is there. */
export const nextPause = (pause: number, most = 2_000): number => Math.min(pause * 1.6, most);

/** Not quite the pause: those who wait for the same thing shall not ask at the same moment. */
export const spread = (pause: number): number => pause * (0.75 + Math.random() / 2);
