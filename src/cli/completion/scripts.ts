export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

// Each gives `sinew complete` the words up to the cursor, the last of them as far as it is typed, and gets a line for each
// candidate: the word, a tab, what it is. `:files` alone leaves it to the shell.

// Bash breaks words at `:` and `=`, of which addresses have many: the line is split at blanks here, and from each candidate what
// stands before the last of them is taken off again, as bash completes behind it.
const bash = `_sinew() {
  local line=\${COMP_LINE:0:COMP_POINT} cur candidate
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur=\${words[\${#words[@]}-1]}
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    if [[ $candidate == :files ]]; then
      compopt -o default
    elif [[ $candidate == "$cur"* ]]; then
      [[ $candidate == */ ]] && compopt -o nospace
      COMPREPLY+=("\${candidate#"\${cur%"\${cur##*[:=]}"}"}")
    fi
  done < <("\${words[0]}" complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _sinew sinew
`;

const zsh = `#compdef sinew
_sinew() {
  local line
  local -a candidates shown
  for line in "\${(@f)$("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      _files
      return
    fi
    [[ -z $line ]] && continue
    candidates+=("\${line%%$'\\t'*}")
    shown+=("\${line/$'\\t'/  }")
  done
  compadd -l -d shown -a candidates
}
if [[ $funcstack[1] == _sinew ]]; then
  _sinew "$@"
else
  compdef _sinew sinew
fi
`;

const fish = `function __sinew_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete -- $words[2..] "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c sinew -f -a '(__sinew_complete)'
`;

export const SCRIPTS: Record<Shell, string> = { bash, zsh, fish };
