export { LitElement, html, svg, nothing, render, type TemplateResult, type PropertyValues } from 'lit';
export { repeat } from 'lit/directives/repeat.js';
