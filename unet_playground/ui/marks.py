"""What the browser does of its own accord when a choice is made, is answered, or is not."""

from unet_playground.ui.address import WRITE

STALE = "(...inputs) => { document.body.classList.add('stale'); return inputs; }"
"""Takes the pictures away the moment a choice is made: what they show is no longer true."""
BACK = """(...chosen) => {
  document.body.classList.remove('stale');
  document.dispatchEvent(new Event('unanswered'));
  const shown = new URLSearchParams(location.search);
  return shown.has('task') ? ['task', 'example', 'weights'].map((name) => shown.get(name)) : chosen;
}"""
"""Takes a choice back that was not answered: pictures and controls show what was chosen before it."""
FRESH = f"(...inputs) => {{ document.body.classList.remove('stale'); ({WRITE})(...inputs); }}"
"""Undoes `STALE` and puts what is shown into the address."""


def opening(language: str) -> str:
    """JavaScript that also says in which language the page is: Gradio has put the browser's there."""
    spoken = {"en": "en", "zh": "zh-CN"}[language]
    return f"(...inputs) => {{ document.documentElement.lang = '{spoken}'; return ({STALE})(...inputs); }}"
