// Copies the page's address, without what its host has put into it, and says so; also where the page is no secure one,
// to which browsers give no clipboard. A visitor's own image has no place in an address.
async function copyLink(button, said, alone) {
  const address = new URL(location.href), own = address.search.slice(1).split("&").filter((one) => !one.startsWith("__"));
  address.search = own.join("&");
  try {
    await navigator.clipboard.writeText(address.href);
  } catch {
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = address.href;
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  const asked = (button.dataset.asked ??= button.textContent);
  button.textContent = address.searchParams.has("example") ? said : alone;
  setTimeout(() => (button.textContent = asked), 2000);
}
