// Loaded in the head, before anything is painted, so that a page never flashes in the
// wrong colours. The choice is kept per browser; "system" is the absence of one.
{
  const key = "token2go.theme";
  const root = document.documentElement;

  const stored = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };

  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };

  const keep = (theme) => {
    try {
      if (theme === "system") localStorage.removeItem(key);
      else localStorage.setItem(key, theme);
    } catch {
      // A browser that keeps nothing still shows the choice on this page.
    }
  };

  apply(stored());

  addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    if (!choice) return;
    const current = root.dataset.theme ?? "system";
    for (const input of choice.querySelectorAll("input")) input.checked = input.value === current;
    choice.addEventListener("change", (event) => {
      apply(event.target.value);
      keep(event.target.value);
    });
    choice.hidden = false;
  });

  addEventListener("storage", (event) => {
    if (event.key === key) apply(event.newValue);
  });
}
