// The marks' own titles become a tip that shows at once and stays readable.
// Without this script the browser shows the titles by itself.
(function () {
  "use strict";
  var tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.appendChild(tip);
  document.querySelectorAll("svg [data-mark] > title").forEach(function (title) {
    title.parentNode.setAttribute("data-tip", title.textContent);
    title.remove();
  });
  function show(event) {
    var mark = event.target.closest ? event.target.closest("[data-tip]") : null;
    tip.hidden = !mark;
    if (!mark) { return; }
    tip.textContent = mark.getAttribute("data-tip");
    var box = tip.getBoundingClientRect();
    var x = Math.min(event.clientX + 14, window.innerWidth - box.width - 8);
    var y = event.clientY + 18;
    if (y + box.height > window.innerHeight - 8) { y = event.clientY - box.height - 10; }
    tip.style.left = Math.max(x, 8) + "px";
    tip.style.top = Math.max(y, 8) + "px";
  }
  document.addEventListener("mousemove", show);
  document.addEventListener("click", show);
  // What is folded would be missing on paper.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not([open])").forEach(function (d) { d.open = true; });
  });
})();
