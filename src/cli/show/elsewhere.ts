/** What people type who know kubectl, nomad, ip or systemctl, and what it is here. */
export const HERE: [words: string, here: string][] = [
  [
    "status health",
    "`sinew get nodes` shows the fleet, `sinew get alarms` what is wrong there, `sinew doctor` this host",
  ],
  ["ls list show ps inventory", "`sinew get hardware` or `sinew get nodes`; of this machine alone: `sinew scan`"],
  ["node-status nodes", "`sinew get nodes`"],
  ["hardware devices device gpus gpu cards", "`sinew get hardware`; of this machine alone: `sinew scan`"],
  ["sources drivers", "`sinew get sources`"],
  ["operations jobs", "`sinew get operations`"],
  [
    "events event changes",
    "`sinew get changes`, with --watch each as it comes; of one node: `sinew history node NAME`",
  ],
  [
    "logs log journal",
    "`sinew history node NAME`, `sinew get changes`; the program's own log: `journalctl -u sinew-conductor`",
  ],
  ["watch monitor", "`sinew get hardware --watch`, or `sinew top hardware`"],
  ["inspect info", "`sinew describe hardware ID` or `sinew describe node NAME`"],
  [
    "drain disable isolate maintenance",
    "`sinew cordon NODE`; for a while, and with its alarms shown: `sinew window add`",
  ],
  ["undrain enable resume", "`sinew uncordon NODE`"],
  ["silence mute inhibit", "`sinew window add --node NODE --for 2h`"],
  ["delete del rm remove purge decommission", "`sinew forget node NAME` or `sinew forget hardware ID`"],
  ["acknowledge", "`sinew ack ID`"],
  ["diff", "`sinew drift`; what setting up would write: `sinew plan`"],
  ["annotate tag taint", "`sinew label node NAME rack=r7`"],
  ["config login use", "`sinew context set NAME --conductor URL --token FILE`"],
  ["join register", "`sinew start --role agent --join TOKEN`, with what `sinew token create` prints at the conductor"],
  ["run serve agent conductor server daemon", "`sinew start`, with --role conductor, agent or driver"],
  ["stop restart reload", "stop what `sinew start` runs: Ctrl-C, or `systemctl stop sinew-agent`"],
  ["check verify", "`sinew doctor`"],
  ["set setup bind", "`sinew plan`, then `sinew apply`"],
  ["rollback undo", "`sinew revert`"],
  ["version", "`sinew --version`"],
];

/** What a word of another tool is here; null: it is none that is known. */
export const elsewhere = (word: string): string | null =>
  HERE.find(([words]) => words.split(" ").includes(word))?.[1] ?? null;
