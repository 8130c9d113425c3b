/** Of the page, which loads nothing: it is read where nobody has access to the net. */
export const style = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2430; --faint: #5d6878; --line: #d9dee6; --panel: #f5f7fa;
  --good: #1a7f4b; --warn: #a05a00; --bad: #c0262d; --linstor: #3566b8; --ssh: #7a4fb0; --one: #1e8a8a; --local: #76808f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181e; --ink: #e4e8ee; --faint: #98a3b3; --line: #333c49;
  --panel: #1d232c; --good: #57c28a; --warn: #e0a050; --bad: #f0787d; --linstor: #7ba6ec; --ssh: #b592e6; --one: #5cc4c4; --local: #9aa5b5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 1080px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 18px; margin: 32px 0 8px; } h3 { font-size: 15px; margin: 16px 0 4px; }
p { margin: 4px 0; } .faint { color: var(--faint); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: 4px 8px 4px 0;
  border-bottom: 1px solid var(--line); } th { font-weight: 600; width: 30%; }
pre { background: var(--panel); padding: 12px; margin: 8px 0; overflow-x: auto; font: 12.5px/1.45 ui-monospace, monospace;
  overflow-wrap: normal; }
.finding { border-left: 4px solid var(--line); padding: 2px 12px; margin: 8px 0; }
.finding.warn { border-color: var(--warn); } .finding.fail { border-color: var(--bad); } .finding.ok { border-color: var(--good); }
.word { font-weight: 600; } .word.ok { color: var(--good); } .word.warn { color: var(--warn); } .word.fail { color: var(--bad); }
details { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; margin: 8px 0; }
summary { cursor: pointer; } .error { color: var(--bad); margin: 4px 0; }
svg.timeline { width: 100%; height: auto; display: block; margin: 8px 0; font: 12px ui-monospace, monospace; }
svg text { fill: var(--ink); } svg .axis { fill: var(--faint); font-size: 11px; } svg .tick { stroke: var(--line); }
svg .note { stroke: var(--warn); stroke-width: 2; stroke-dasharray: 3 3; } svg .wrong { fill: var(--bad); }
.bar.linstor { fill: var(--linstor); } .bar.ssh { fill: var(--ssh); } .bar.one { fill: var(--one); } .bar.local { fill: var(--local); }
.bar.bad { fill: var(--bad); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 4px 0 12px; }
.key.linstor { background: var(--linstor); } .key.ssh { background: var(--ssh); } .key.one { background: var(--one); }
.key.local { background: var(--local); } .key.bad { background: var(--bad); }
`;
