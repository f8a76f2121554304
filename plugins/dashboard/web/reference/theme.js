// The kept theme, before anything is painted: modules run later.
document.documentElement.dataset.theme = localStorage.getItem('theme') ?? 'system';
