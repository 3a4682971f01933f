"""How the page looks, and the little that runs in the browser itself."""

STYLE = """
html { font-size: clamp(15px, 11px + 0.32vw, 24px); overflow: hidden }
body { overflow: hidden }
.page { font-size: 0.82rem; line-height: 1.4; height: 100vh; display: flex; flex-direction: column;
  color: rgb(var(--v-theme-on-background)); background: rgb(var(--v-theme-background)) }
.page .bar { gap: 0.7rem; min-height: 2.7rem; flex: none; padding: 0 0.5rem }
.page .bar > div { white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.page .main { flex: 1; display: flex; min-height: 0 }
.page .worklist { width: clamp(210px, 16vw, 460px); flex: none; display: flex; flex-direction: column;
  border-right: 1px solid rgba(127, 127, 127, .3) }
.page .worklist .v-label { font-size: 0.76rem }
.page .worklist .v-switch { --v-input-control-height: 2rem; margin-left: 0.3rem }
.page .v-field { font-size: 0.85rem } .page .v-field .v-label { font-size: 0.85rem }
.page .line { cursor: pointer; border-left: 3px solid transparent; padding: 0.3rem 0.5rem }
.page .line:hover { background: rgba(127, 127, 127, .14) }
.page .line.on { border-left-color: rgb(var(--v-theme-accent)); background: rgba(230, 159, 0, .13) }
.page .line .title { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; direction: ltr }
.page .tabs { flex: none; display: flex; border-bottom: 1px solid rgba(127, 127, 127, .3) }
.page .tab { flex: 1; text-align: center; cursor: pointer; padding: 0.35rem; border-bottom: 2px solid transparent }
.page .tab.on { border-bottom-color: rgb(var(--v-theme-accent)); font-weight: 500 }
.page .reading { flex: 1; cursor: pointer; padding: 0.15rem 0.4rem; border-left: 3px solid transparent }
.page .reading:hover { background: rgba(127, 127, 127, .14) }
.page .reading.on { border-left-color: #c77dff; background: rgba(199, 125, 255, .15) }
.page .shorten { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  text-align: right }
.page .link { cursor: pointer; text-decoration: underline }
.page .status { white-space: nowrap; font-size: 0.74rem; border-radius: 0.6rem; padding: 0 0.45rem; align-self: center;
  border: 1px solid rgba(127, 127, 127, .45) }
.page .status.draft { border-color: rgb(var(--v-theme-accent)) }
.page .status.approved { border-color: #2e9e72; background: rgba(46, 158, 114, .25) }
.page .status.flagged { border-color: #d55e00; background: rgba(213, 94, 0, .25) }
.page .status.not-usable { opacity: .7 }
.page .quiet { opacity: .8; font-size: 0.76rem; line-height: 1.32 }
.page .none { opacity: .8; padding: 0.6rem; overflow-wrap: anywhere }
.page .mark { color: rgb(var(--v-theme-accent)); font-weight: 500 }
.page .tools { width: 2.9rem; flex: none; display: flex; flex-direction: column; align-items: center; gap: 1px;
  padding: 0.2rem 0; overflow-y: auto; scrollbar-width: none; border-right: 1px solid rgba(127, 127, 127, .3) }
.page .tools .group { border-top: 1px solid rgba(127, 127, 127, .3); width: 100%; display: flex;
  flex-direction: column; align-items: center; gap: 1px; padding-top: 1px }
.page .tools .v-btn { width: 2.15rem; height: 2.15rem }
@media (max-height: 800px) { .page .tools .v-btn { width: 1.95rem; height: 1.95rem } }
.page .views { flex: 1; min-width: 0; display: flex; flex-direction: column; background: black }
.page .views > :first-child { flex: 1; min-height: 0 }
.page .legend { flex: none; color: #ddd; background: #181818; font-size: 0.74rem; padding: 0.15rem 0.6rem;
  display: flex; flex-wrap: wrap; column-gap: 0.7rem }
.page .swatch { display: inline-block; width: 1.1rem; margin-right: 0.3rem; vertical-align: middle }
.page .right { width: clamp(320px, 26vw, 760px); flex: none; display: flex; flex-direction: column;
  border-left: 1px solid rgba(127, 127, 127, .3) }
.page .results { flex: 1; overflow-y: auto; display: flex; flex-direction: column; gap: 0.5rem; padding: 0.5rem }
.page .results > * { flex: none }
.page .sign-off { flex: none; padding: 0.5rem; border-top: 1px solid rgba(127, 127, 127, .3) }
.page .sign-off .v-checkbox .v-label { font-size: 0.85rem }
.page .card { border: 1px solid rgba(127, 127, 127, .35); border-radius: 6px; padding: 0.4rem 0.6rem }
.page .card[role=button] { cursor: pointer }
.page .card.on { border-color: #3a8fc0; box-shadow: inset 3px 0 0 #3a8fc0 }
.page .finding .v-switch { --v-input-control-height: 1.9rem; margin-left: 0.3rem }
.page .finding .v-switch .v-label { font-size: 0.82rem }
.page .systems { margin: 0.4rem 0 0.5rem }
.page .card.settings { margin: 0.5rem 0.5rem 0; flex: none }
.page b, .page h1 { font-weight: 500 }
.page .headline { font-size: 1.05rem; font-weight: 500 }
.page .radius { width: 4.2em; margin: 0 0.3em; padding: 0 0.2em; border: 1px solid rgba(127, 127, 127, .6);
  border-radius: 4px; color: inherit; background: transparent; font: inherit }
.page table.slices { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
.page table.slices th { text-align: left; font-weight: 500; opacity: .8; font-size: 0.76rem }
.page table.slices td, .page table.slices th { padding: 1px 0.4rem 1px 0; white-space: nowrap }
.page table.slices tr.row { cursor: pointer }
.page table.slices tr.row:hover { background: rgba(127, 127, 127, .14) }
.page table.slices tr.on { background: rgba(86, 180, 233, .22) }
.page svg { display: block; width: 100%; max-width: 27rem; margin: auto }
.page svg text { fill: currentColor; font-size: 11px }
.page .polar { width: min(95%, 22rem) }
.page .warning { margin-top: 0.25rem }
.page .banner { flex: none; padding: 0.25rem 0.8rem; color: white; display: flex; gap: 0.8rem; align-items: baseline }
.page .banner.info { background: #24506b } .page .banner.alarm { background: #7a2e12 }
.page .banner a { color: white; cursor: pointer; text-decoration: underline; white-space: nowrap }
.view-head { position: absolute; top: 2px; left: 6px; color: #ddd; font-size: 0.74rem;
  display: flex; align-items: center; filter: drop-shadow(0 0 2px black) }
.view-head .v-btn { opacity: .75 } .view-head .v-btn:hover { opacity: 1 }
.edge { position: absolute; color: white; font-size: 0.8rem; font-weight: 500; pointer-events: none;
  text-shadow: 0 0 2px black, 0 0 2px black, 0 0 3px black, 0 0 3px black }
.slider { position: absolute; bottom: 0; left: 0; width: 100%; color: #ddd }
.slider .v-slider-track > div { box-shadow: 0 0 2px black }
.remote-controlled-area, .remote-controlled-area * { touch-action: none !important }
.go-on { border: 1px solid; border-radius: 0.4rem; padding: 0.4rem 1rem; margin-top: 1rem; cursor: pointer }
kbd { border: 1px solid rgba(127, 127, 127, .6); border-radius: 4px; padding: 0 6px; font: inherit }
:focus-visible { outline: 2px solid #3a8fc0; outline-offset: -2px }
"""

# Keys that the reader types into a field stay there, and those that open a menu or a dialog in it. Ctrl+Enter clicks on
# the button, so that the fields travel with it.
KEYS = """
if (!window.onfhKeys) {
  window.onfhKeys = true;
  const known = new Set(%s);
  window.addEventListener("keydown", (event) => {
    if (event.altKey || event.defaultPrevented) return;
    const field = event.target.closest && event.target.closest("input, textarea, select, .v-overlay__content");
    const key = (event.ctrlKey || event.metaKey ? "ctrl+" : "") + event.key.toLowerCase();
    if (!known.has(key) || (field && key !== "ctrl+enter" && key !== "escape")) return;
    event.preventDefault();
    const approve = document.querySelector(".sign-off button[data-sign=approved]");
    if (key === "ctrl+enter" && approve) return approve.click();
    window.trame.trigger("onfh_key", [key]);
  });
}
"""

OVER = """
<div style="font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto; padding: 0 1rem">
<h1>ONFHAssist</h1>
<p v-if="%(taken)s">Another browser or tab has taken over. What was done here is kept as a draft.</p>
<p v-else>The connection to the server has ended. What was done here is kept as a draft on the server; where the server
was ended, start it again first.</p>
<form method="post" action="/take-over"><button class="go-on">Go on here</button></form></div>
"""
"""Shown in the place of the page when its connection has ended."""

TOO_OLD = """<script>
(function () {
  var able = "noModule" in document.createElement("script") && window.WebSocket && window.PointerEvent;
  try { new Function("var a = {}; a.b?.c; a.b ??= 1; async () => { for await (const d of []) {} }"); }
  catch (error) { able = false; }
  if (!able) {
    var say = function () {
      document.body.innerHTML = "<p style='font: 18px sans-serif; margin: 20vh auto; max-width: 34em'>" +
        "ONFHAssist needs a newer browser: Firefox 79, Chrome or Edge 85, Safari 14, or later. Nothing was lost.</p>";
    };
    document.addEventListener("DOMContentLoaded", say); window.onload = say;
  }
})();
</script><noscript><p style="font: 18px sans-serif">ONFHAssist needs JavaScript; allow it for this page.</p></noscript>
"""
"""Put at the head of the page, in words that any browser understands."""
