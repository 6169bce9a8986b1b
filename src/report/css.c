#include "report/css.h"

#include <stddef.h>

/* clang-format off */
const char css_chart[] =
":root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d1c1a;--muted:#69655d;"
"--rule:#e3dfd6;--faint:#efece5;--good:#14766a;--good-soft:#bfe0da;--bad:#a9481f;"
"--bad-soft:#f2cdb9;--even:#7d786f;--even-soft:#dedad1;--bar:#d9d4c8;--s0:#c79a3b;"
"--s1:#8b9d5b;--s2:#2f6c8f;--s3:#99587e;--s4:#cfcabf;"
"--sans:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Arial,sans-serif}"
"@media(prefers-color-scheme:dark){:root{--paper:#151412;--card:#1d1b18;--ink:#ece9e2;"
"--muted:#a8a196;--rule:#37332d;--faint:#262320;--good:#58c7b5;--good-soft:#1f4d46;"
"--bad:#ee9468;--bad-soft:#5c3320;--even:#a09a8f;--even-soft:#3a362f;--bar:#45403a;"
"--s0:#d9b25c;--s1:#a3b774;--s2:#5fa3c7;--s3:#c486aa;--s4:#4a453e}}"
".chart{font-family:var(--sans);font-variant-numeric:tabular-nums;display:block;width:100%;"
"height:auto}.chart text{fill:var(--ink);font-size:13px}.chart .t-name{font-weight:600}"
".chart .t-small{font-size:11.5px;fill:var(--muted)}.chart .t-end{text-anchor:end}"
".chart .t-mid{text-anchor:middle}.chart .t-good{fill:var(--good);font-weight:600}"
".chart .t-bad{fill:var(--bad);font-weight:600}"
".chart .t-even{fill:var(--even);font-weight:600}"
".chart .t-in{fill:var(--paper);font-size:11.5px;text-anchor:middle;font-weight:600}"
".chart .grid{stroke:var(--rule);stroke-width:1}"
".chart .zero{stroke:var(--muted);stroke-width:1}.chart .keep{fill:var(--bar)}"
".chart .good{fill:var(--good)}.chart .bad{fill:var(--bad)}.chart .even{fill:var(--even)}"
".chart .was{fill:var(--good-soft)}.chart .base{stroke:var(--ink);stroke-width:1.5}"
".chart .whisk{stroke:var(--ink);stroke-width:1.25;fill:none}"
".chart .dist{fill:var(--s2);fill-opacity:.75}"
".chart .band{fill:var(--s2);fill-opacity:.2}.chart .run{stroke:var(--s2);stroke-width:1.75;"
"fill:none;stroke-linejoin:round}.chart .run-dot{fill:var(--s2)}"
".chart .restart{stroke:var(--muted);stroke-width:1;stroke-dasharray:2 3}"
".chart .cross{stroke:var(--bad);stroke-width:2;fill:none}.chart .pair{fill:var(--ink);"
"fill-opacity:.75}.chart .was-bad{fill:var(--bad-soft)}.chart .was-even{fill:var(--even-soft)}"
".chart .t-warn{fill:var(--bad)}.chart .t-label{font-size:12.5px;font-weight:500;"
"paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}"
".chart .leader{stroke:var(--muted);stroke-width:1;fill:none}"
".chart .mark{fill:var(--good);stroke:var(--paper);stroke-width:1.5}"
".chart .mark.off{fill:var(--paper);stroke:var(--even);stroke-width:2}"
".chart .front{stroke:var(--good);stroke-width:1.5;stroke-dasharray:6 4;fill:none}"
".chart .roof{stroke:var(--ink);stroke-width:1.75;fill:none}"
".chart .roof.one{stroke:var(--muted);stroke-dasharray:5 4}"
".chart .tick{stroke:var(--ink);stroke-width:1.5}"
".chart .tick2{stroke:var(--bad);stroke-width:1.5}.chart .s0{fill:var(--s0)}"
".chart .s1{fill:var(--s1)}.chart .s2{fill:var(--s2)}.chart .s3{fill:var(--s3)}"
".chart .s4{fill:var(--s4)}";

const char *const css_page[] = {
"*{box-sizing:border-box}html{background:var(--paper);-webkit-text-size-adjust:100%}",
"body{margin:0;color:var(--ink);background:var(--paper);font:16px/1.55 var(--sans);"
"font-variant-numeric:tabular-nums;"
"--serif:'Charter','Bitstream Charter','Iowan Old Style','Palatino Linotype','Source Serif "
"4',Georgia,serif;--mono:ui-monospace,'SF Mono','Cascadia Code','DejaVu Sans Mono',Menlo,"
"Consolas,monospace}"
"main{max-width:1240px;margin:0 auto;padding:clamp(20px,5vw,64px) clamp(16px,4vw,40px) 64px}",
"h1,h2,h3,p,dl,dd,ul,ol,figure,table,pre{margin:0;padding:0}",
"h1{font:500 clamp(1.55rem,1.05rem + 2.3vw,2.5rem)/1.22 var(--serif);letter-spacing:-.012em;"
"text-wrap:balance;max-width:30em;overflow-wrap:anywhere}"
"h1 b{font-weight:500;color:var(--good)}",
".many h1{font-size:clamp(1.25rem,1rem + 1.2vw,1.75rem);margin-top:34px}"
".many h1:first-child{margin-top:0}",
".many .where{margin-top:28px}",
".where{color:var(--muted);font-size:.86rem;overflow-wrap:anywhere}",
".lede{margin-top:18px;color:var(--muted);font-size:.95rem;max-width:62em;"
"overflow-wrap:anywhere}.lede b{color:var(--ink);font-weight:600}"
".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:0;"
"margin-top:32px;border-top:2px solid var(--ink);border-bottom:1px solid var(--rule)}"
".tiles div{padding:14px 18px 14px 0}.tiles dt{font-size:.78rem;color:var(--muted)}",
".tiles dd{font-size:1.5rem;line-height:1.25;font-weight:600;letter-spacing:-.01em;"
"overflow-wrap:anywhere}"
".tiles small{display:block;font-size:.78rem;font-weight:400;color:var(--muted);"
"letter-spacing:0}nav{margin-top:22px;font-size:.86rem;color:var(--muted)}"
"nav a{margin-right:1.1em;white-space:nowrap}",
"a{color:inherit;text-decoration-color:var(--rule);text-underline-offset:3px}",
"a:hover{text-decoration-color:currentColor}section{margin-top:56px}",
"h2{font:600 1.22rem/1.3 var(--sans);letter-spacing:-.008em}",
"h2+p,.about{color:var(--muted);font-size:.9rem;margin-top:4px;max-width:62em}",
"section>ul:not(.legend){margin:12px 0 0;padding-left:1.2em;font-size:.88rem}"
"h3{font-size:.95rem;margin-top:28px}",
".file{margin-top:80px;padding-top:20px;border-top:3px double var(--rule)}",
".file>h2{font:500 1.5rem/1.25 var(--serif);overflow-wrap:anywhere}",
".notes{margin-top:14px;border-top:1px solid var(--rule)}",
".notes div{display:grid;grid-template-columns:minmax(9em,15em) 1fr;gap:4px 24px;"
"padding:9px 0;border-bottom:1px solid var(--rule);font-size:.92rem}"
".notes dt{font-weight:600;overflow-wrap:anywhere}",
".notes dd{color:var(--muted);overflow-wrap:anywhere;min-width:0}",
".scroll{overflow-x:auto;margin-top:16px;-webkit-overflow-scrolling:touch;"
"scrollbar-width:thin}"
".scroll:focus-visible,a:focus-visible,summary:focus-visible{outline:2px solid var(--s2);"
"outline-offset:3px}"
"table{border-collapse:collapse;width:100%;font-size:.88rem;line-height:1.4}",
"caption{text-align:left;color:var(--muted);font-size:.84rem;padding-bottom:6px}",
"th,td{padding:7px 14px 7px 0;text-align:right;vertical-align:baseline;white-space:nowrap;"
"border-bottom:1px solid var(--rule)}th:last-child,td:last-child{padding-right:0}"
"th:first-child,td:first-child,.l{text-align:left!important}",
"thead th{font-weight:500;color:var(--muted);font-size:.8rem;"
"border-bottom:1.5px solid var(--ink);vertical-align:bottom}"
".tight th,.tight td{padding-right:10px;font-size:.95em}"
"th.host{white-space:normal;min-width:11em}"
"tbody th{font-weight:600}"
"tr.group th{padding-top:18px;font-weight:500;color:var(--muted)}",
"tr.group b{color:var(--ink);font-weight:600}",
"tr.win th,tr.win td{background:linear-gradient(var(--faint),var(--faint))}",
"tr.win th:first-child{box-shadow:inset 3px 0 var(--good)}",
"tr.win th:first-child,.pad{padding-left:10px}",
"tr.off td,tr.off th{color:var(--muted);font-weight:400}",
"tr.off td{white-space:normal;text-align:left}",
".ci{color:var(--muted);font-size:.92em;margin-left:.35em}",
".tag{font-size:.75rem;color:var(--muted);font-weight:400;margin-right:.6em}",
".v{font-weight:600}.v-good{color:var(--good)}.v-bad{color:var(--bad)}",
".v-even{color:var(--even)}figure{margin-top:18px}figure .scroll{margin-top:8px}",
"figure .chart{min-width:720px}figcaption{color:var(--muted);font-size:.84rem;max-width:62em}",
".legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.84rem;color:var(--muted);"
"margin-top:12px;padding:0;list-style:none}"
".legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:7px;"
"vertical-align:-1px}"
".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22em),1fr));"
"column-gap:32px;margin-top:14px}"
".facts div{display:flex;gap:16px;justify-content:space-between;"
"border-bottom:1px solid var(--rule);padding:6px 0;font-size:.88rem;min-width:0}"
".facts dt{color:var(--muted);flex:none}",
".facts dd{text-align:right;overflow-wrap:anywhere;min-width:0}",
"code,pre{font:.82rem/1.5 var(--mono)}",
"pre{overflow-x:auto;background:var(--faint);border-radius:6px;padding:9px 12px;"
"margin-top:4px;scrollbar-width:thin}.again{margin-top:14px}"
".again dt{font-weight:600;font-size:.9rem;margin-top:14px;overflow-wrap:anywhere}",
".hash{font-family:var(--mono);font-size:.78rem}details{margin-top:16px}",
"summary{cursor:pointer;color:var(--muted);font-size:.9rem}",
"footer{margin-top:72px;padding-top:16px;border-top:1px solid var(--rule);color:var(--muted);"
"font-size:.84rem}footer p+p{margin-top:6px}@media(max-width:640px){body{font-size:15px}",
".notes div{grid-template-columns:1fr}section{margin-top:44px}",
".tiles{grid-template-columns:1fr 1fr}}"
"@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#111;--muted:#555;"
"--rule:#ccc;--faint:#f3f1ec;--good:#14766a;--good-soft:#bfe0da;--bad:#a9481f;--bad-soft:#f2cdb9;"
"--even:#777;--even-soft:#dedad1;--bar:#d9d4c8;--s0:#c79a3b;"
"--s1:#8b9d5b;--s2:#2f6c8f;--s3:#99587e;--s4:#cfcabf}"
"@page{size:A4;margin:13mm}html,body{background:#fff}",
"body{font-size:10.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}",
"main{max-width:none;padding:0}nav{display:none}section{margin-top:26px}h2{break-after:avoid}",
"h2+p{break-after:avoid;break-inside:avoid}h1{font-size:20pt}.scroll{overflow:visible}",
"figure,tr,.notes div,.facts div,.tiles,pre{break-inside:avoid}table{font-size:7.4pt}",
"th,td{padding:4px 7px 4px 0}.ci{margin-left:.2em}figure .chart{min-width:0}",
"pre{white-space:pre-wrap;overflow-wrap:anywhere}",
".hash{overflow-wrap:anywhere;white-space:normal}.file{break-before:page;margin-top:0}}"
,
NULL};
/* clang-format on */
