import type { Where } from "./way.ts";

/** What mends a refusal, where the caller can mend it: "; ..." behind the tier's own words, or nothing. */
export function hintOf(status: number, detail: string, { flag = "--url", token, state }: Where): string {
  if (status === 401) {
    if (flag.startsWith("context "))
      return `; \`sinew ${flag.replace(" ", " set ")} --token FILE\` says which token it takes`;
    if (token !== undefined) return `; the token in ${token} is not (or no longer) good there: --token names another`;
    return `; --token FILE names a token that is good there${state === undefined ? ", --state the directory of the tier" : ""}`;
  }
  if (status === 403) return "; `sinew token create --role ROLE` makes a token that may, --token FILE shows it";
  // An agent answers much of what a conductor does.
  if (status === 404 && /^there is no \/\S* here/.test(detail) && flag !== "--url")
    return `; is it a conductor? ${flag} is to be one, not an agent`;
  return "";
}
