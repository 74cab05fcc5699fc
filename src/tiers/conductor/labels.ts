type Labels = Readonly<Record<string, string>>;

/** Whether a node has all of these labels. */
export const hasLabels = (own: Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([name, value]) => Object.hasOwn(own, name) && own[name] === value);

export const sameLabels = (a: Labels, b: Labels): boolean => hasLabels(a, b) && hasLabels(b, a);
