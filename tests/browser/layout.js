// What is cut or overlaps in the page as it stands: one sentence a fault. Evaluated in the page.
//
// Every line of text is followed outwards: what an ancestor hides is cut, unless it can be scrolled to, or is shortened
// with an ellipsis and has its title. Lines of different elements must not meet; what is fixed on the screen is left out.
() => {
  const faults = [];
  const name = (one) => {
    const own = one.id ? '#' + one.id : one.tagName.toLowerCase() + [...one.classList].map((c) => '.' + c).join('');
    const near = one.closest('[id]');
    return near && near !== one ? '#' + near.id + ' ' + own : own;
  };
  const box = (r) => ({ left: r.left, top: r.top, right: r.right, bottom: r.bottom });
  const meet = (a, b) => ({ left: Math.max(a.left, b.left), top: Math.max(a.top, b.top), right: Math.min(a.right, b.right), bottom: Math.min(a.bottom, b.bottom) });
  const some = (r) => r.right - r.left > 1 && r.bottom - r.top > 1;
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const said = node.data.trim(), parent = node.parentElement;
    if (!said || ['SCRIPT', 'STYLE', 'OPTION', 'TITLE', 'NOSCRIPT', 'TEXTAREA'].includes(parent.tagName)) continue;
    if (parent.closest('details:not([open])') && !parent.closest('summary')) continue;
    if (!parent.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const style = getComputedStyle(parent);
    if (style.position === 'absolute' && (style.clip !== 'auto' || style.clipPath !== 'none')) continue;
    for (const rect of range.getClientRects()) {
      let seen = box(rect), cut = null, gone = false;
      if (!some(seen)) continue;
      for (let up = parent; up && up !== document.documentElement; up = up.parentElement) {
        const own = getComputedStyle(up);
        if (own.position === 'fixed') break;
        if (own.overflowX === 'visible' && own.overflowY === 'visible') continue;
        const inner = meet(seen, box(up.getBoundingClientRect()));
        const scrolls = ['auto', 'scroll'];
        const across = (seen.right > inner.right + 2 || seen.left < inner.left - 2) && !scrolls.includes(own.overflowX);
        const down = seen.bottom > inner.bottom + 3 && !scrolls.includes(own.overflowY);
        const shortened = own.textOverflow === 'ellipsis' || own.webkitLineClamp !== 'none';
        if ((across || down) && !(shortened && up.closest('[title]'))) cut ??= up;
        seen = inner;
        if (!some(seen)) { gone = true; break; }
      }
      if (cut && (gone ? cut.clientWidth > 1 && cut.clientHeight > 1 : true)) faults.push(`cut: "${said.slice(0, 40)}" in ${name(parent)} by ${name(cut)}`);
      if (gone) continue;
      if (seen.right > innerWidth + 1 || seen.left < -1) faults.push(`beyond the edge: "${said.slice(0, 40)}" in ${name(parent)}`);
      texts.push({ seen, parent, said });
    }
  }
  const fixed = (one) => { for (let up = one; up; up = up.parentElement) if (['fixed', 'sticky'].includes(getComputedStyle(up).position)) return true; return false; };
  const still = texts.filter((one) => !fixed(one.parent)).sort((a, b) => a.seen.top - b.seen.top);
  still.forEach((one, at) => {
    for (let next = at + 1; next < still.length && still[next].seen.top < one.seen.bottom; next++) {
      const other = still[next];
      if (other.parent === one.parent) continue;
      const both = meet(one.seen, other.seen);
      const least = Math.min(one.seen.bottom - one.seen.top, other.seen.bottom - other.seen.top);
      if (both.right - both.left > 3 && both.bottom - both.top > Math.max(3, 0.35 * least)) faults.push(`overlap: "${one.said.slice(0, 30)}" in ${name(one.parent)} and "${other.said.slice(0, 30)}" in ${name(other.parent)}`);
    }
  });
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`scrolls sideways by ${wide}`);
  return [...new Set(faults)];
}
