/** failure: cannot work. warning: will hurt. */
export type Diagnosis = { readonly level: 'good' | 'warning' | 'failure'; readonly sentence: string }

export const good = (sentence: string): Diagnosis => ({ level: 'good', sentence })
export const warning = (sentence: string): Diagnosis => ({ level: 'warning', sentence })
export const failure = (sentence: string): Diagnosis => ({ level: 'failure', sentence })
