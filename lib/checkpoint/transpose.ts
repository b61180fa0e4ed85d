// Matrices between layouts that store them transposed.

/** The transpose of a row-major (rows, cols) matrix, in blocks that stay in cache. */
export function transpose<Data extends Float32Array | Float64Array>(data: Data, rows: number, cols: number): Data {
  const result = new (data.constructor as new (length: number) => Data)(data.length);
  const block = 32;
  for (let r0 = 0; r0 < rows; r0 += block) {
    const r1 = Math.min(rows, r0 + block);
    for (let c0 = 0; c0 < cols; c0 += block) {
      const c1 = Math.min(cols, c0 + block);
      for (let r = r0; r < r1; r++) {
        for (let c = c0; c < c1; c++) result[c * rows + r] = data[r * cols + c]!;
      }
    }
  }
  return result;
}
