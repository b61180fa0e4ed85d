// Elements of SVG in one expression.

type Attributes = Record<string, string | number | undefined>;

export function s(tag: string, attributes: Attributes = {}, ...children: (Node | string)[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

const context = document.createElement('canvas').getContext('2d')!;

/** Width of a text in the charts, in pixels; of names of roofs, which are bold. */
export function textWidth(text: string, weight: 400 | 600 = 400): number {
  context.font = `${weight} 12px system-ui, sans-serif`;
  return context.measureText(text).width;
}
