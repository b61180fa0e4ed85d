// Where names of points stand: beside their points, in the plot, and over nothing else. In pixels of the canvas.

export interface Place {
  x: number;
  y: number;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Lines that a name may be away from its point. */
const farthest = 8;

export function boxAround({ x, y }: Place, radius: number): Box {
  return { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius };
}

/**
 * @param widths of forms of the name, the best first; a shorter one is taken where no other has room.
 * @param isLeft the better side of the point.
 * @param taken by points and other names.
 */
export function freePlace(
  at: Place,
  widths: readonly number[],
  isLeft: boolean,
  plot: { left: number; top: number; width: number; height: number },
  taken: readonly Box[],
): { box: Box; index: number } | undefined {
  for (const [index, width] of widths.entries()) {
    const box = boxesBeside(at, width, isLeft).find(
      (one) => isInside(one, plot) && !taken.some((other) => overlap(one, other)),
    );
    if (box) return { box, index };
  }
  return undefined;
}

/** Boxes for a name, the best first. */
function boxesBeside({ x, y }: Place, width: number, isLeft: boolean): Box[] {
  const [height, distance] = [16 * devicePixelRatio, 10 * devicePixelRatio];
  const sides = [x - distance - width, x + distance];
  const [first, second] = (isLeft ? sides : sides.toReversed()) as [number, number];
  const at = (left: number, lines: number): Box => {
    const middle = y + lines * height;
    return { left, top: middle - height / 2, right: left + width, bottom: middle + height / 2 };
  };
  const near = [
    at(first, 0.5),
    at(first, -0.5),
    at(second, -0.5),
    at(second, 0.5),
    at(x - width / 2, 1.2),
    at(x - width / 2, -1.2),
  ];
  const far = Array.from({ length: farthest - 1 }, (_, i) => i + 1.5).flatMap((lines) => [
    at(first, lines),
    at(second, -lines),
    at(first, -lines),
    at(second, lines),
  ]);
  return [...near, ...far];
}

function isInside(box: Box, plot: { left: number; top: number; width: number; height: number }): boolean {
  const [right, bottom] = [plot.left + plot.width, plot.top + plot.height];
  return box.left >= plot.left && box.right <= right && box.top >= plot.top && box.bottom <= bottom;
}

function overlap(a: Box, b: Box): boolean {
  return a.right >= b.left && b.right >= a.left && a.bottom >= b.top && b.bottom >= a.top;
}
