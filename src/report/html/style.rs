//! The style sheet.

/// Text has a contrast of at least 4.5 to 1 (WCAG 2, level AA) in the light and the dark colours.
/// Whatever a colour conveys, a word or a shape conveys as well.
pub(super) const SHEET: &str = "
:root{--ink:#191b1f;--soft:#565c66;--paper:#fff;--panel:#f5f6f8;--edge:#d5d9e0;--blue:#1b5cb8;
--green:#14683d;--red:#a8201a;--amber:#7a4b00;--band:#1b5cb829}
@media(prefers-color-scheme:dark){:root{--ink:#e9ebee;--soft:#a9b0bb;--paper:#15171a;--panel:#1e2126;
--edge:#3a3f47;--blue:#7fb2ff;--green:#6fd19b;--red:#ff9a8f;--amber:#f0bf6a;--band:#7fb2ff33}}
*{box-sizing:border-box}
html{background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;
-webkit-text-size-adjust:100%}
body{max-width:68rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:.1rem 0 .6rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:0 0 .6rem;padding-top:.9rem;border-top:1px solid var(--edge)}
h3{font-size:1rem;margin:0 0 .3rem;overflow-wrap:anywhere}
p{margin:.3rem 0 .7rem;max-width:46rem;overflow-wrap:anywhere}
small{font-size:.84rem;color:var(--soft)}
code,pre{font:.82rem/1.5 ui-monospace,\"SFMono-Regular\",Menlo,\"DejaVu Sans Mono\",monospace;overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--edge);border-radius:6px;padding:.8rem;max-height:24rem;overflow:auto}
section{margin:1.6rem 0}
.over{margin:0;color:var(--soft);font-size:.84rem}
.soft,.missing{color:var(--soft)}
.missing{font-style:italic}
.headline{font-size:1.15rem;max-width:54rem}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.3rem .6rem}
main:focus{outline:none}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
.badge{display:inline-block;white-space:nowrap;border:1px solid currentColor;border-radius:1rem;padding:0 .55rem;
font-size:.84rem;font-weight:600}
.headline .badge{font-size:.95rem;vertical-align:.08em}
.good{color:var(--green)}.bad{color:var(--red)}.caution{color:var(--amber)}.neutral{color:var(--soft)}
.figures{display:flex;flex-wrap:wrap;gap:.5rem 1.8rem;margin:.4rem 0 .9rem}
.figures div{min-width:5rem;max-width:20rem}
.figures dt{font-size:.84rem;color:var(--soft)}
.figures dd{margin:0;font-size:1.05rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.figures small{display:block;line-height:1.3}
.stages{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.5rem;list-style:none;padding:0;margin:0}
.stages li{border:1px solid var(--edge);border-top:5px solid var(--edge);border-radius:4px;padding:.45rem .6rem .55rem}
.stages .done{border-top-color:var(--green)}
.stages .current{border-color:var(--blue);border-top-color:var(--blue);background:var(--panel)}
.stages .to-come{border-style:dashed;border-top-style:solid}
.stages .stopped{border-color:var(--red);border-top-color:var(--red)}
.stages .word{display:block;font-size:.84rem;color:var(--soft)}
.stages small{display:block;line-height:1.35}
.wide{overflow-x:auto;margin:.4rem 0 1rem}
table{border-collapse:collapse;min-width:100%;font-size:.94rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:.84rem;padding-bottom:.2rem}
th,td{text-align:left;vertical-align:top;padding:.32rem 1.1rem .32rem 0;border-bottom:1px solid var(--edge)}
th{font-weight:600}
th.number,td.number{text-align:right;white-space:nowrap}
.confusion,.narrow{min-width:min(100%,22rem)}
.id{white-space:nowrap}
.settings td{overflow-wrap:anywhere}
.confusion th,.confusion td{padding:.25rem .55rem;text-align:right}
.confusion td{background:color-mix(in srgb,var(--blue) calc(var(--w,0)*34%),transparent)}
.confusion .same{font-weight:700}
.forest-table>[role=row]{display:grid;grid-template-columns:minmax(8rem,1.1fr) minmax(12rem,3fr) minmax(8rem,1fr);gap:.2rem 1.2rem;
align-items:center;padding:.45rem 0;border-bottom:1px solid var(--edge)}
.forest-table .head{color:var(--soft);font-size:.84rem;align-items:end}
.forest-table [role=rowheader]{overflow-wrap:anywhere}
.forest-table [role=rowheader] small{display:block}
.forest{width:100%;height:1.6rem;display:block}
.forest-scale{position:relative;display:flex;justify-content:space-between;padding-bottom:1.3rem}
.forest-scale .at{position:absolute;left:50%;bottom:0;transform:translateX(-50%)}
.for-readers{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.metric{margin:.9rem 0;padding:.8rem 1rem;background:var(--panel);border-radius:6px}
.evidence{display:grid;grid-template-columns:minmax(14rem,29rem) minmax(6rem,1fr);gap:.2rem 1rem;align-items:center;max-width:none;
font-size:.94rem;margin:.2rem 0}
.meter{height:.6rem;border:1px solid var(--soft);border-radius:.3rem;overflow:hidden}
.meter i{display:block;height:100%;background:var(--blue)}
.chart{margin:.6rem 0 1.1rem}
.plot{position:relative;height:11rem;margin:0 2.1rem 1.5rem 4.6rem}
.plot.low{height:6rem}.plot.low,.plot.bare{margin-left:1.2rem}
.plot>svg{width:100%;height:100%;display:block;overflow:visible;border-bottom:1px solid var(--soft)}
.plot .y,.plot .x{position:absolute;font-size:.78rem;color:var(--soft);white-space:nowrap;font-variant-numeric:tabular-nums}
.plot .y{right:100%;padding-right:.5rem;transform:translateY(-50%)}
.plot .x{top:100%;padding-top:.15rem;transform:translateX(-50%)}
.legend{font-size:.84rem;color:var(--soft);max-width:none;margin:0;display:flex;flex-wrap:wrap;gap:.1rem 1.2rem}
.key svg{width:2rem;height:.7rem;margin-right:.4rem}
path{fill:none;stroke:var(--blue);vector-effect:non-scaling-stroke}
.line{stroke-width:2}.second{stroke:var(--amber);stroke-dasharray:7 4}.third{stroke:var(--green);stroke-dasharray:2 4}
.fourth{stroke:var(--red);stroke-dasharray:10 3 2 3}
.band,.bar{fill:var(--band);stroke:none}.bar{fill:var(--blue)}
.grid{stroke:var(--edge)}.zero{stroke:var(--soft);stroke-width:1.5}
.margin{stroke:var(--red);stroke-width:1.5;stroke-dasharray:5 4}.margin.second{stroke:var(--amber)}
.mark{stroke:var(--soft);stroke-dasharray:2 3}
.interval{stroke-width:3}.dot{stroke-width:9;stroke-linecap:round;stroke:var(--ink)}
.arrow{fill:var(--blue);stroke:none}
.history{padding-left:2rem}.history p{margin:.1rem 0}
.history li{margin-bottom:.8rem}
details summary{cursor:pointer;padding:.3rem 0}
footer{border-top:1px solid var(--edge);margin-top:2rem;font-size:.84rem;color:var(--soft)}
@media(max-width:40rem){body{padding:1rem .8rem 3rem}h1{font-size:1.4rem}
.forest-table>[role=row]{grid-template-columns:1fr}.forest-table .head [role=columnheader]:not(:nth-child(2)){display:none}
.evidence{grid-template-columns:1fr}.plot{margin-left:3.8rem}.metric{padding:.7rem}
table{font-size:.82rem}th,td{padding-right:.45rem}tr>:last-child{padding-right:0}.history{padding-left:1.4rem}
.id{display:inline-block;min-width:6.5rem;white-space:normal;word-break:break-all}
.confusion th,.confusion td{padding:.25rem .3rem}}
@media print{:root{--ink:#000;--soft:#444;--paper:#fff;--panel:#fff;--edge:#bbb;--blue:#1b5cb8;--green:#14683d;--red:#a8201a;--amber:#7a4b00}
html{font-size:11px}.skip{display:none}.wide{overflow:visible}pre{max-height:none}section,article,tr{break-inside:avoid}}
";
